/**
 * Safetensors files: the length of the header (uint64, little endian), the header (JSON: names, dtypes, shapes, offsets), the data.
 * Reading copies nothing and checks everything; see safetensors-header.ts. Writing gives the same bytes for the same content.
 */
import { EffuseError, invariant } from '../ir/diagnostics.ts'
import { byteCount, grouped, quote, showTensor } from './message-text.ts'
import {
  corruptSafetensors,
  cutShort,
  headerBytesMax,
  headerStart,
  metadataKey,
  readHeader,
  safetensorsDTypes,
} from './safetensors-header.ts'
import { bytesOf, type FileDType, itemBytes, type TensorEntry } from './tensor-entry.ts'

export interface SafetensorsFile {
  /** By name, in the header's order. Their bytes are views into the file. */
  readonly tensors: ReadonlyMap<string, TensorEntry>
  readonly metadata: ReadonlyMap<string, string>
}

/**
 * Reads a safetensors file. Copies no data.
 *
 * @param bytes The whole file.
 * @param fileName For messages.
 * @throws EffuseError EF503 if the file breaks the format; the message names the tensor and the byte.
 * @example
 * const { tensors, metadata } = readSafetensors(writeSafetensors([tensorEntry('bias', 'float32', [2], [1, 2])], { note: 'small' }))
 * toFloat32(tensors.get('bias')!) // [1, 2]
 */
export const readSafetensors = (bytes: Uint8Array, fileName?: string): SafetensorsFile => {
  if (bytes.length < headerStart)
    throw corruptSafetensors(
      fileName,
      `expected the length of the header in the first ${headerStart} bytes, the file has ${byteCount(bytes.length)}`,
      cutShort,
    )
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
  if (length > BigInt(headerBytesMax))
    throw corruptSafetensors(
      fileName,
      `bytes 0 to 7 say that the header has ${byteCount(length)}; at most ${grouped(headerBytesMax)} are allowed`,
      'the file is damaged or has another format: check its source',
    )
  const dataStart = headerStart + Number(length)
  if (dataStart > bytes.length)
    throw corruptSafetensors(
      fileName,
      `bytes 0 to 7 say that the header has ${byteCount(length)}, but only ${byteCount(bytes.length - headerStart)} follow`,
      cutShort,
    )
  const data = bytes.subarray(dataStart)
  const header = readHeader(bytes.subarray(headerStart, dataStart), data.length, fileName)
  const tensors = new Map<string, TensorEntry>()
  for (const { name, dtype, shape, begin, end } of header.tensors)
    tensors.set(name, { name, dtype, shape, bytes: data.subarray(begin, end) })
  return { tensors, metadata: header.metadata }
}

/**
 * Makes a safetensors file. Tensors are sorted by element size, largest first, then by name, and the header is padded with spaces. Each tensor's
 * bytes therefore start at a multiple of its element size, and the file does not depend on the order of the arguments.
 *
 * @param metadata Texts to store with the tensors.
 * @throws EffuseError EF501 for a name or a text that the format cannot represent, or a header of more than 100 MB.
 */
export const writeSafetensors = (
  tensors: Iterable<TensorEntry>,
  metadata: ReadonlyMap<string, string> | { readonly [key: string]: string } = {},
): Uint8Array<ArrayBuffer> => {
  const ordered = [...tensors].sort((a, b) => itemBytes[b.dtype] - itemBytes[a.dtype] || compareText(a.name, b.name))
  checkNames(ordered)
  const parts: string[] = []
  const texts = [...(metadata instanceof Map ? metadata : Object.entries(metadata))].sort(([a], [b]) =>
    compareText(a, b),
  )
  if (texts.length > 0)
    parts.push(
      `${JSON.stringify(metadataKey)}:{${texts.map(([key, text]) => `${jsonText(key)}:${jsonText(text)}`).join(',')}}`,
    )
  let end = 0
  for (const { name, dtype, shape, bytes } of ordered) {
    invariant(
      bytesOf(dtype, shape) === bytes.length,
      () => `tensor ${quote(name)} is ${showTensor(dtype, shape)} and has ${byteCount(bytes.length)}`,
    )
    const begin = end
    end += bytes.length
    parts.push(
      `${jsonText(name)}:{"dtype":"${formatNames[dtype]}","shape":[${shape.join(',')}],"data_offsets":[${begin},${end}]}`,
    )
  }
  const header = new TextEncoder().encode(`{${parts.join(',')}}`)
  const headerLength = Math.ceil(header.length / 8) * 8
  if (headerLength > headerBytesMax)
    throw new EffuseError({
      code: 'EF501',
      message: `cannot write safetensors: names, shapes and metadata take ${byteCount(headerLength)}; the format allows ${grouped(headerBytesMax)}`,
      hint: 'keep long texts outside of the metadata',
    })

  const file = new Uint8Array(headerStart + headerLength + end)
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true)
  file.set(header, headerStart)
  file.fill(0x20, headerStart + header.length, headerStart + headerLength)
  let at = headerStart + headerLength
  for (const { bytes } of ordered) {
    file.set(bytes, at)
    at += bytes.length
  }
  return file
}

const formatNames = Object.fromEntries([...safetensorsDTypes].map(([name, dtype]) => [dtype, name])) as {
  readonly [D in FileDType]: string
} // the table has every dtype

const checkNames = (tensors: readonly TensorEntry[]): void => {
  const names = new Set<string>()
  for (const { name } of tensors) {
    if (name === metadataKey)
      throw new EffuseError({
        code: 'EF501',
        message: `cannot write safetensors: a tensor is named ${quote(name)}, which the format reserves`,
        hint: 'rename it',
      })
    invariant(!names.has(name), () => `two tensors are named ${quote(name)}`)
    names.add(name)
  }
}

const jsonText = (text: string): string => {
  if (/\p{Surrogate}/u.test(text))
    throw new EffuseError({
      code: 'EF501',
      message: `cannot write safetensors: the text ${quote(text)} has half of a surrogate pair, which UTF-8 cannot encode`,
      hint: 'remove it',
    })
  return JSON.stringify(text)
}

/** Compares by UTF-16 code units, independent of the machine's language. */
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
