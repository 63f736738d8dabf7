/** Recognises the format of a file of weights by its content, because names and extensions are often wrong. */
import { EffuseError } from '../ir/diagnostics.ts'
import { byteCount, fileLabel } from './message-text.ts'
import { headerStart, startsAsSafetensors } from './safetensors-header.ts'
import { isLegacyTorch, isZip, pickleEntry, someNames } from './torch-containers.ts'
import { readZip } from './zip-archive.ts'

/** 'torch' means both containers of torch.save. */
export type WeightsFormat = 'safetensors' | 'torch'

/**
 * Distinguishes safetensors from PyTorch checkpoints by the first bytes. The readers check the rest.
 *
 * @param bytes The whole file.
 * @param fileName For messages.
 * @throws EffuseError EF502 for any other content; the message says what it looks like and what to do.
 */
export const recognizeWeights = (bytes: Uint8Array, fileName?: string): WeightsFormat => {
  const refuse = (what: string, hint: string): never => {
    throw new EffuseError({
      code: 'EF502',
      message: `expected weights (safetensors or a PyTorch checkpoint) in ${fileLabel(fileName)}, but ${what}`,
      hint,
    })
  }
  if (bytes.length === 0) refuse('it is empty', 'download or save it again')
  // Checked before the signatures: the length of a header can have the same bytes as the start of a gzip file or a pickle.
  if (startsAsSafetensors(bytes)) return 'safetensors'
  if (isLegacyTorch(bytes)) return 'torch'
  if (isZip(bytes)) return recognizeZip(bytes, refuse)
  const start = latin1Of(bytes.subarray(0, 1024))
  const known = signatures.find(({ matches }) => matches(start))
  if (known !== undefined) return refuse(`it looks like ${known.what}`, known.hint)
  if (isText(bytes.subarray(0, 1024))) return refuse('it looks like text', 'name the file of weights itself')
  // The length is wrong; the reader reports it.
  if (bytes[headerStart] === 0x7b) return 'safetensors'
  const shown = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
  return refuse(
    `its ${byteCount(bytes.length)} begin with ${shown}, which is neither`,
    'save the weights as safetensors',
  )
}

type Refuse = (what: string, hint: string) => never

/** Is it UTF-8 without control characters? A character that the end cuts is allowed. */
const isText = (bytes: Uint8Array): boolean => {
  try {
    return !/[^\P{Cc}\t\n\r]/u.test(new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true }))
  } catch {
    return false
  }
}

const recognizeZip = (bytes: Uint8Array, refuse: Refuse): WeightsFormat => {
  let names: readonly string[]
  try {
    names = readZip(bytes, (detail) => new EffuseError({ code: 'EF504', message: detail })).names
  } catch (error) {
    // A damaged archive. Only a checkpoint can be meant, so its reader reports the damage.
    if (error instanceof EffuseError && error.code === 'EF504') return 'torch'
    throw error
  }
  if (pickleEntry(names) !== undefined) return 'torch'
  if (names.some((name) => name.endsWith('.npy')))
    return refuse('it looks like a NumPy archive (.npz)', convert('numpy.load'))
  if (names.includes('model.weights.h5'))
    return refuse('it looks like a Keras archive (.keras)', convert('keras.models.load_model'))
  return refuse(`it looks like a zip archive with ${someNames(names)}`, 'unpack it and name the file of weights in it')
}

const convert = (load: string): string => `in Python, load it with ${load} and save it with the safetensors library`

interface Signature {
  readonly matches: (start: string) => boolean
  readonly what: string
  readonly hint: string
}

const begins =
  (...starts: readonly string[]) =>
  (start: string) =>
    starts.some((s) => start.startsWith(s))
const picture = 'name the file of weights; give pictures to predict as arguments'
const unpack = 'unpack it and name the file of weights in it'
const page =
  'the address gives a web page instead of the file: open it in a browser and look for a link that downloads the file itself'

const signatures: readonly Signature[] = [
  {
    matches: begins('version https://git-lfs'),
    what: 'a Git LFS pointer instead of the file itself',
    hint: 'fetch the file itself: git lfs install, then git lfs pull',
  },
  {
    matches: (start) => /^\s*<(!doctype html|html|head|body)\b/i.test(withoutMark(start)),
    what: 'a web page (HTML)',
    hint: page,
  },
  { matches: (start) => /^\s*<[?!a-z]/i.test(withoutMark(start)), what: 'XML', hint: page },
  { matches: begins('\x89PNG\r\n\x1a\n'), what: 'a PNG picture', hint: picture },
  { matches: begins('\xff\xd8\xff'), what: 'a JPEG picture', hint: picture },
  { matches: begins('GIF87a', 'GIF89a'), what: 'a GIF picture', hint: picture },
  {
    matches: (start) => start.startsWith('RIFF') && start.slice(8, 12) === 'WEBP',
    what: 'a WebP picture',
    hint: picture,
  },
  { matches: begins('%PDF-'), what: 'a PDF document', hint: 'name the file of weights' },
  { matches: begins('\x1f\x8b'), what: 'a gzip archive', hint: unpack },
  { matches: begins('BZh'), what: 'a bzip2 archive', hint: unpack },
  { matches: begins('\xfd7zXZ\0'), what: 'an xz archive', hint: unpack },
  { matches: begins('\x28\xb5\x2f\xfd'), what: 'a Zstandard archive', hint: unpack },
  { matches: begins('7z\xbc\xaf\x27\x1c'), what: 'a 7z archive', hint: unpack },
  { matches: (start) => start.slice(257, 262) === 'ustar', what: 'a tar archive', hint: unpack },
  {
    matches: begins('\x89HDF\r\n\x1a\n'),
    what: 'an HDF5 file, as Keras writes it (.h5)',
    hint: convert('keras.models.load_model'),
  },
  { matches: begins('\x93NUMPY'), what: 'a NumPy array (.npy)', hint: convert('numpy.load') },
  {
    matches: begins('GGUF'),
    what: 'a GGUF file',
    hint: 'effuse reads safetensors and PyTorch checkpoints of convolutional networks',
  },
  {
    matches: (start) => start.slice(4, 8) === 'TFL3',
    what: 'a TensorFlow Lite model',
    hint: 'use the checkpoint that the model was made from',
  },
  {
    matches: begins('\x80\x02', '\x80\x03', '\x80\x04', '\x80\x05'),
    what: 'a Python pickle that torch.save did not write',
    hint: convert('pickle.load'),
  },
  {
    matches: (start) => /^\s*(\{\s*["}]|\[\s*[\][{"\d-])/.test(withoutMark(start)),
    what: 'JSON',
    hint: 'name the file of weights that lies beside it',
  },
]

/** The text after a byte order mark. */
const withoutMark = (start: string): string => start.replace(/^\xef\xbb\xbf/, '')

/** One character per byte. */
const latin1Of = (bytes: Uint8Array): string => String.fromCharCode(...bytes)
