import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { recognizeWeights } from '../../src/io/recognize.ts'
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.ts'
import { bytesOfText, concat, failure, golden } from './support.ts'
import { p, pickle, zip } from './torch-files.ts'

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))
/** A real picture of a format. */
const picture = async (format: 'png' | 'jpeg' | 'webp' | 'gif'): Promise<Uint8Array> =>
  sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
    .toFormat(format)
    .toBuffer()

test.each([
  ['io/python.safetensors', 'safetensors'],
  ['efficientnet/pth/zip.pth', 'torch'],
  ['efficientnet/pth/legacy.pth', 'torch'],
  ['io/training.pth', 'torch'],
])('%s is %s, whatever its name', (name, format) => {
  for (const fileName of [name, 'weights.png', undefined]) expect(recognizeWeights(golden(name), fileName)).toBe(format)
})

test('every safetensors file is recognized, for any header length', () => {
  // 0x8b1f, 0x4b50, 0x0280: the first bytes of gzip, zip and a pickle.
  for (const length of [0x8b20 - 8, 0x4b50, 0x0280, 0x0380]) {
    for (const padding of [-60, -40, -20, 0]) {
      const bytes = writeSafetensors([], { text: ' '.repeat(length + padding) })
      expect(recognizeWeights(bytes)).toBe('safetensors')
    }
  }
  const header = bytesOfText(`{${' '.repeat(0x0280 - 2)}}`)
  const file = concat(Uint8Array.of(0x80, 2, 0, 0, 0, 0, 0, 0), header)
  expect(recognizeWeights(file)).toBe('safetensors')
  expect(readSafetensors(file).tensors.size).toBe(0)
})

test('a damaged file is still recognized, so that its reader can report the damage', () => {
  expect(recognizeWeights(golden('efficientnet/pth/zip.pth').subarray(0, 500))).toBe('torch')
  expect(recognizeWeights(golden('efficientnet/pth/legacy.pth').subarray(0, 20))).toBe('torch')
  expect(recognizeWeights(golden('io/python.safetensors').subarray(0, 20))).toBe('safetensors')
  const hugeHeader = concat(new Uint8Array(8).fill(0xff), bytesOfText('{}'))
  expect(recognizeWeights(hugeHeader)).toBe('safetensors')
})

const html = '<!DOCTYPE html>\n<html><head><title>404'
const npy = ascii('\x93NUMPY\x01\x00v\x00')

test.each<[string, Uint8Array, string, string]>([
  ['a PNG named .safetensors', await picture('png'), 'it looks like a PNG picture', 'name the file of weights'],
  ['a JPEG named .pth', await picture('jpeg'), 'it looks like a JPEG picture', 'name the file of weights'],
  ['a GIF', await picture('gif'), 'it looks like a GIF picture', 'name the file of weights'],
  ['a WebP', await picture('webp'), 'it looks like a WebP picture', 'name the file of weights'],
  [
    'a pointer of Git LFS',
    ascii('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 18826032\n'),
    'it looks like a Git LFS pointer instead of the file itself',
    'git lfs pull',
  ],
  ['a web page', ascii(html), 'it looks like a web page (HTML)', 'a link that downloads the file itself'],
  [
    'a web page after a mark and blank lines',
    concat(Uint8Array.of(0xef, 0xbb, 0xbf), ascii(`\n\n${html}`)),
    'it looks like a web page (HTML)',
    'a link',
  ],
  ['XML', ascii('<?xml version="1.0"?><Error><Code>AccessDenied</Code>'), 'it looks like XML', 'a link'],
  [
    'JSON',
    ascii('{"architecture": "tf_efficientnet_b0"}'),
    'it looks like JSON',
    'name the file of weights that lies beside it',
  ],
  ['JSON with a brace at byte 8', ascii('{"abcd":{"dtype":"F32"}}'), 'it looks like JSON', 'beside it'],
  ['text', ascii('Not found\n'), 'it looks like text', 'name the file of weights itself'],
  ['a PDF', ascii('%PDF-1.7\n%\xe2\xe3'), 'it looks like a PDF document', 'name the file of weights'],
  ['gzip', gzipSync('weights'), 'it looks like a gzip archive', 'unpack it'],
  ['bzip2', ascii('BZh91AY&SY\x00'), 'it looks like a bzip2 archive', 'unpack it'],
  ['xz', ascii('\xfd7zXZ\x00\x00\x04'), 'it looks like an xz archive', 'unpack it'],
  ['Zstandard', ascii('\x28\xb5\x2f\xfd\x04'), 'it looks like a Zstandard archive', 'unpack it'],
  ['7z', ascii('7z\xbc\xaf\x27\x1c\x00'), 'it looks like a 7z archive', 'unpack it'],
  ['tar', concat(ascii('net.pth'.padEnd(257, '\0')), ascii('ustar\x0000')), 'it looks like a tar archive', 'unpack it'],
  [
    'HDF5',
    ascii('\x89HDF\r\n\x1a\n\x00'),
    'it looks like an HDF5 file, as Keras writes it (.h5)',
    'keras.models.load_model',
  ],
  ['npy', npy, 'it looks like a NumPy array (.npy)', 'numpy.load'],
  ['GGUF', ascii('GGUF\x03\x00\x00\x00'), 'it looks like a GGUF file', 'safetensors'],
  ['TensorFlow Lite', ascii('\x1c\x00\x00\x00TFL3\x14'), 'it looks like a TensorFlow Lite model', 'checkpoint'],
  ['a pickle', pickle(p.none), 'it looks like a Python pickle that torch.save did not write', 'pickle.load'],
  ['npz', zip([{ name: 'arr_0.npy', bytes: npy }]), 'it looks like a NumPy archive (.npz)', 'numpy.load'],
  [
    'keras',
    zip([
      { name: 'config.json', bytes: ascii('{}') },
      { name: 'model.weights.h5', bytes: npy },
    ]),
    'it looks like a Keras archive (.keras)',
    'keras',
  ],
  [
    'another zip',
    zip(['a', 'b', 'c', 'd', '\x1b[2J'].map((name) => ({ name, bytes: npy }))),
    'it looks like a zip archive with "a", "b", "c" and 2 more',
    'unpack it',
  ],
  ['nothing', new Uint8Array(0), 'it is empty', 'download or save it again'],
  [
    'bytes of no known kind',
    Uint8Array.of(0, 1, 2, 3, 0xfe, 0xff, 0, 1, 2),
    'its 9 bytes begin with 00 01 02 03 fe ff 00 01, which is neither',
    'safetensors',
  ],
  ['one byte', Uint8Array.of(0), 'its 1 byte begin with 00, which is neither', 'safetensors'],
])('%s is refused', (_, bytes, what, hint) => {
  const error = failure(() => recognizeWeights(bytes, 'models/net.safetensors'))
  expect(error.code).toBe('EF502')
  expect(error.message).toBe(
    `expected weights (safetensors or a PyTorch checkpoint) in models/net.safetensors, but ${what}`,
  )
  expect(error.hint).toContain(hint)
})

test('any bytes are recognized or rejected', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      let format: string
      try {
        format = recognizeWeights(bytes)
      } catch {
        expect(failure(() => recognizeWeights(bytes)).code).toBe('EF502')
        return
      }
      expect(format).toBe('safetensors')
      expect(bytes[8]).toBe(0x7b)
    }),
    { numRuns: 1000 },
  )
})
