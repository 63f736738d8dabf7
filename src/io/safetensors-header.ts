/**
 * Reads the header of a safetensors file: JSON text with descriptions of tensors.
 * The file is untrusted, so every number is checked against the actual bytes.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import { JsonError, type JsonObject, type JsonValue, readJson } from './json-reader.ts'
import { byteCount, fileLabel, grouped, quote, showTensor } from './message-text.ts'
import { bytesOf, type FileDType, rankLimit } from './tensor-entry.ts'

/** The format's own limit. It also limits the memory that a hostile file can demand by its first number, the length of the header. */
export const headerBytesMax = 100_000_000
/** Whether the bytes begin as safetensors do: the length of a header, and the brace of its JSON. No other format is known to begin so. */
export const startsAsSafetensors = (bytes: Uint8Array): boolean =>
  bytes[headerStart] === 0x7b && new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true) <= headerBytesMax
/** Limits the memory that a header of 100 MB can demand. No network has nearly so many tensors. */
const tensorCountMax = 250_000
/** The start of the header: after its length, a 64-bit number. */
export const headerStart = 8
export const metadataKey = '__metadata__'

/** The format's names of dtypes. */
export const safetensorsDTypes: ReadonlyMap<string, FileDType> = new Map([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U64', 'uint64'],
  ['U32', 'uint32'],
  ['U16', 'uint16'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
])

export interface TensorHeader {
  readonly name: string
  readonly dtype: FileDType
  readonly shape: readonly number[]
  /** Counted from the start of the data, the byte after the header. */
  readonly begin: number
  readonly end: number
}

export interface Header {
  readonly tensors: readonly TensorHeader[]
  readonly metadata: ReadonlyMap<string, string>
}

export const cutShort = 'the file was probably cut short: download or save it again'
/** The hint names both causes, because damage and a faulty program look the same. */
const damaged =
  'the file is damaged, or was written wrongly: take another copy, or write it again with the safetensors library or save() of effuse'

/** @param detail What was expected, what was found, and where. */
export const corruptSafetensors = (fileName: string | undefined, detail: string, hint = damaged): EffuseError =>
  new EffuseError({ code: 'EF503', message: `${fileLabel(fileName)} is not a valid safetensors file: ${detail}`, hint })

/**
 * Reads a header and checks it against `dataBytes`, the number of bytes that follow it.
 *
 * @throws EffuseError EF503
 */
export const readHeader = (bytes: Uint8Array, dataBytes: number, fileName: string | undefined): Header => {
  const fail = (detail: string, hint?: string): never => {
    throw corruptSafetensors(fileName, detail, hint)
  }
  const root = parseText(bytes, fileName)
  const tensors: TensorHeader[] = []
  let metadata: ReadonlyMap<string, string> = new Map()
  if (root.size > tensorCountMax + 1)
    fail(`it holds ${grouped(root.size)} tensors; effuse reads up to ${grouped(tensorCountMax)}`, 'split the file')
  for (const [name, value] of root) {
    if (name === metadataKey) metadata = readMetadata(value, fail)
    else tensors.push(readTensor(name, value, dataBytes, fail))
  }
  checkLayout(tensors, dataBytes, fail)
  return { tensors, metadata }
}

type Fail = (detail: string, hint?: string) => never

const parseText = (bytes: Uint8Array, fileName: string | undefined): JsonObject => {
  if (bytes[0] !== 0x7b)
    throw corruptSafetensors(
      fileName,
      `the header must begin with "{" at byte ${headerStart}, ${bytes.length === 0 ? 'but it is empty' : `but byte 0x${hex(bytes[0])} is there`}`,
    )
  let text: string
  try {
    // ignoreBOM keeps a byte order mark in the text, so that the reader below rejects it, as JSON requires.
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw corruptSafetensors(
      fileName,
      `the header must be UTF-8 text, at byte ${grouped(headerStart + firstBadUtf8(bytes))} it is not`,
    )
  }
  try {
    return readJson(text) as JsonObject // it begins with a brace
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    const at = headerStart + new TextEncoder().encode(text.slice(0, error.at)).length
    throw corruptSafetensors(fileName, `the header must be JSON: ${error.message}, at byte ${grouped(at)}`)
  }
}

const hex = (byte: number | undefined): string => (byte ?? 0).toString(16).padStart(2, '0')

/** The index of the first sequence that is not UTF-8. There must be one. */
const firstBadUtf8 = (bytes: Uint8Array): number => {
  const isGood = (length: number, isWhole: boolean): boolean => {
    try {
      // With `stream`, a sequence that the end cuts is not an error.
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length), { stream: !isWhole })
      return true
    } catch {
      return false
    }
  }
  // Invariant: the prefix of `good` bytes can be continued to valid UTF-8, the prefix of `bad` bytes cannot.
  let good = 0
  let bad = bytes.length
  while (bad - good > 1) {
    const middle = (good + bad) >>> 1
    if (isGood(middle, false)) good = middle
    else bad = middle
  }
  // Byte `good` breaks a sequence that started up to three bytes before.
  let start = good
  while (start > 0 && good - start < 3 && !isGood(start, true)) start--
  return start
}

const readMetadata = (value: JsonValue, fail: Fail): ReadonlyMap<string, string> => {
  if (!(value instanceof Map)) return fail(`${metadataKey} must be an object of texts, it is ${describe(value)}`)
  const metadata = new Map<string, string>()
  for (const [key, text] of value as JsonObject) {
    if (typeof text !== 'string')
      return fail(`${metadataKey} may contain only texts; ${quote(key)} is ${describe(text)}`)
    metadata.set(key, text)
  }
  return metadata
}

const tensorKeys = ['dtype', 'shape', 'data_offsets'] as const

const readTensor = (name: string, value: JsonValue, dataBytes: number, fail: Fail): TensorHeader => {
  const where = `tensor ${quote(name)}`
  if (!(value instanceof Map))
    return fail(`${where} must be an object with dtype, shape and data_offsets, it is ${describe(value)}`)
  const entry: JsonObject = value
  for (const key of tensorKeys) if (!entry.has(key)) return fail(`${where} has no ${key}`)
  // An unknown key could change the meaning of the bytes.
  for (const key of entry.keys())
    if (!tensorKeys.some((known) => known === key))
      return fail(`${where} has the unknown key ${quote(key)}; dtype, shape and data_offsets are allowed`)

  const dtypeName = entry.get('dtype') ?? null
  if (typeof dtypeName !== 'string') return fail(`the dtype of ${where} must be a text, it is ${describe(dtypeName)}`)
  const dtype = safetensorsDTypes.get(dtypeName)
  if (dtype === undefined)
    return fail(
      `${where} has dtype ${quote(dtypeName)}; effuse reads ${[...safetensorsDTypes.keys()].join(', ')}`,
      'convert the tensor to one of these before saving it',
    )

  const shape = readSizes(`the shape of ${where}`, entry.get('shape') ?? null, fail)
  if (shape.length > rankLimit)
    return fail(`${where} has ${grouped(shape.length)} dimensions; at most ${rankLimit} are allowed`)
  const offsets = readSizes(`data_offsets of ${where}`, entry.get('data_offsets') ?? null, fail)
  const [begin, end] = offsets
  if (begin === undefined || end === undefined || offsets.length !== 2)
    return fail(`data_offsets of ${where} must be [begin, end], it has ${grouped(offsets.length)} numbers`)
  if (begin > end) return fail(`data_offsets of ${where} run backwards: [${grouped(begin)}, ${grouped(end)}]`)

  const wanted = bytesOf(dtype, shape)
  if (wanted === null)
    return fail(`${where} has the shape ${showTensor(dtype, shape)}, which takes more than 2^53 bytes`)
  if (wanted !== end - begin)
    return fail(
      `${where} is ${showTensor(dtype, shape)} and needs ${byteCount(wanted)}, its data_offsets [${grouped(begin)}, ${grouped(end)}] hold ${byteCount(end - begin)}`,
    )
  if (end > dataBytes)
    return fail(
      `${where} reaches to byte ${grouped(end)} of the data, but only ${byteCount(dataBytes)} of data follow the header`,
      cutShort,
    )
  return { name, dtype, shape, begin, end }
}

/** Reads a list of whole numbers from 0 to 2^53 - 1, written with digits only. */
const readSizes = (what: string, value: JsonValue, fail: Fail): number[] => {
  if (!Array.isArray(value)) return fail(`${what} must be a list of whole numbers, it is ${describe(value)}`)
  const items: readonly JsonValue[] = value
  return items.map((item) => {
    const literal = typeof item === 'object' && item !== null && 'literal' in item ? item.literal : null
    const size = literal !== null && /^\d+$/.test(literal) ? Number(literal) : Number.NaN
    return Number.isSafeInteger(size)
      ? size
      : fail(`${what} must hold whole numbers from 0 to 2^53 - 1, it holds ${describe(item)}`)
  })
}

/** Checks that the tensors fill the data without gaps and without overlaps. */
const checkLayout = (tensors: readonly TensorHeader[], dataBytes: number, fail: Fail): void => {
  let end = 0
  let before: TensorHeader | null = null
  for (const tensor of [...tensors].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (tensor.begin < end)
      fail(
        `tensors ${quote(before?.name ?? '')} and ${quote(tensor.name)} overlap: one ends at byte ${grouped(end)} of the data, the other begins at ${grouped(tensor.begin)}`,
      )
    if (tensor.begin > end)
      fail(
        `${byteCount(tensor.begin - end)} of the data before tensor ${quote(tensor.name)}, from byte ${grouped(end)}, belong to no tensor`,
      )
    end = tensor.end
    before = tensor
  }
  if (end < dataBytes)
    fail(
      `${byteCount(dataBytes - end)} after the last tensor, from byte ${grouped(end)} of the data, belong to no tensor`,
    )
}

const describe = (value: JsonValue): string => {
  if (value === null) return 'null'
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return `the text ${quote(value)}`
  if (value instanceof Map) return 'an object'
  if (Array.isArray(value)) return 'a list'
  return 'literal' in value ? value.literal.slice(0, 40) : 'an object'
}
