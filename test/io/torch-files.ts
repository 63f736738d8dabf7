/** Builds valid and hostile checkpoints byte by byte, without src/io. */
import { crc32 } from 'node:zlib'
import { bytesOfText, concat } from './support.ts'

const u8 = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes)
const little = (value: number | bigint, bytes: number): Uint8Array => {
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true)
  return out.subarray(0, bytes)
}

/** Pickle code, in parts. */
export const p = {
  none: u8(0x4e),
  false: u8(0x89),
  true: u8(0x88),
  mark: u8(0x28),
  emptyDict: u8(0x7d),
  emptyList: u8(0x5d),
  emptyTuple: u8(0x29),
  call: u8(0x52),
  build: u8(0x62),
  setItem: u8(0x73),
  setItems: u8(0x75),
  append: u8(0x61),
  appends: u8(0x65),
  persistent: u8(0x51),
  stop: u8(0x2e),
  int: (value: number): Uint8Array => concat(u8(0x4a), little(value, 4)),
  long: (value: bigint, bytes: number): Uint8Array => concat(u8(0x8a, bytes), little(value, bytes)),
  text: (text: string): Uint8Array => concat(u8(0x58), little(bytesOfText(text).length, 4), bytesOfText(text)),
  byteText: (text: string): Uint8Array => concat(u8(0x55, text.length), bytesOfText(text)),
  global: (module: string, name: string): Uint8Array => bytesOfText(`c${module}\n${name}\n`),
  tuple: (...items: readonly Uint8Array[]): Uint8Array => concat(u8(0x28), ...items, u8(0x74)),
  put: (index: number): Uint8Array => concat(u8(0x72), little(index, 4)),
  get: (index: number): Uint8Array => concat(u8(0x6a), little(index, 4)),
  dict: (...pairs: readonly (readonly [Uint8Array, Uint8Array])[]): Uint8Array =>
    concat(u8(0x7d, 0x28), ...pairs.flat(), u8(0x75)),
}

/** A complete pickle of protocol 2. */
export const pickle = (...code: readonly Uint8Array[]): Uint8Array => concat(u8(0x80, 2), ...code, p.stop)

export const orderedDict = concat(p.global('collections', 'OrderedDict'), p.emptyTuple, p.call)

export interface TensorSpec {
  readonly key?: string
  readonly type?: string
  /** Elements of the storage. */
  readonly elements?: number
  readonly offset?: Uint8Array
  readonly shape?: readonly number[]
  readonly strides?: readonly number[]
  readonly more?: Uint8Array
}

const ints = (values: readonly number[]): Uint8Array =>
  p.tuple(...values.map((value) => (Math.abs(value) < 2 ** 31 ? p.int(value) : p.long(BigInt(value), 8))))

export const storage = (
  { key = '0', type = 'FloatStorage', elements = 4 }: TensorSpec,
  more: Uint8Array = new Uint8Array(0),
): Uint8Array =>
  concat(
    p.tuple(p.text('storage'), p.global('torch', type), p.text(key), p.text('cpu'), p.long(BigInt(elements), 8), more),
    p.persistent,
  )

/** The code that torch.save writes for a tensor. */
export const tensor = (spec: TensorSpec = {}): Uint8Array => {
  const { offset = p.int(0), shape = [4], strides = [1], more = new Uint8Array(0) } = spec
  const args = p.tuple(storage(spec), offset, ints(shape), ints(strides), p.false, orderedDict, more)
  return concat(p.global('torch._utils', '_rebuild_tensor_v2'), args, p.call)
}

export interface ZipEntry {
  readonly name: string
  readonly bytes: Uint8Array
  readonly method?: number
  readonly flags?: number
  readonly checksum?: number
  readonly localName?: string
  /** The offset of the entry in the directory. */
  readonly headerAt?: number
  readonly directoryBytes?: number
}

/** A zip archive of stored entries; `long` writes all numbers as 64-bit fields, as files past 4 GB have them. */
export const zip = (
  entries: readonly ZipEntry[],
  options: { readonly long?: boolean; readonly comment?: string } = {},
): Uint8Array => {
  const parts: Uint8Array[] = []
  const directory: Uint8Array[] = []
  let at = 0
  for (const {
    name,
    bytes,
    method = 0,
    flags = 0,
    checksum = crc32(bytes),
    localName = name,
    headerAt = at,
    directoryBytes = bytes.length,
  } of entries) {
    const common = [little(flags, 2), little(method, 2), little(0, 4), little(checksum, 4)]
    const local = bytesOfText(localName)
    const entry = concat(
      u8(0x50, 0x4b, 3, 4),
      little(20, 2),
      ...common,
      little(bytes.length, 4),
      little(bytes.length, 4),
      little(local.length, 2),
      little(0, 2),
      local,
      bytes,
    )
    const encoded = bytesOfText(name)
    const sizes = options.long
      ? [little(0xffffffff, 4), little(0xffffffff, 4)]
      : [little(directoryBytes, 4), little(directoryBytes, 4)]
    const extra = options.long
      ? concat(
          little(0x4242, 2),
          little(3, 2),
          u8(1, 2, 3),
          little(1, 2),
          little(24, 2),
          little(directoryBytes, 8),
          little(directoryBytes, 8),
          little(headerAt, 8),
        )
      : new Uint8Array(0)
    directory.push(
      concat(
        u8(0x50, 0x4b, 1, 2),
        little(0, 2),
        little(20, 2),
        ...common,
        ...sizes,
        little(encoded.length, 2),
        little(extra.length, 2),
        little(0, 2),
        little(0, 8),
      ),
      little(options.long ? 0xffffffff : headerAt, 4),
      encoded,
      extra,
    )
    parts.push(entry)
    at += entry.length
  }
  const listed = concat(...directory)
  const count = entries.length
  const comment = bytesOfText(options.comment ?? '')
  const long = concat(
    ...[
      u8(0x50, 0x4b, 6, 6),
      little(44, 8),
      little(0, 4),
      little(0, 8),
      little(count, 8),
      little(count, 8),
      little(listed.length, 8),
      little(at, 8),
    ],
    ...[u8(0x50, 0x4b, 6, 7), little(0, 4), little(at + listed.length, 8), little(1, 4)],
  )
  const [shownCount, shownSize, shownAt] = options.long ? [0xffff, 0xffffffff, 0xffffffff] : [count, listed.length, at]
  const end = [
    u8(0x50, 0x4b, 5, 6),
    little(0, 4),
    little(shownCount, 2),
    little(shownCount, 2),
    little(shownSize, 4),
    little(shownAt, 4),
    little(comment.length, 2),
    comment,
  ]
  return concat(...parts, listed, ...(options.long ? [long] : []), ...end)
}

/** The output of torch.save: the pickle and the storages `data/0`, `data/1` ... */
export const zipCheckpoint = (
  code: Uint8Array,
  storages: readonly Uint8Array[] = [new Uint8Array(16)],
  more: readonly ZipEntry[] = [],
): Uint8Array =>
  zip([
    { name: 'net/data.pkl', bytes: pickle(code) },
    ...storages.map((bytes, i) => ({ name: `net/data/${i}`, bytes })),
    ...more,
  ])

export const legacyMagic = concat(
  u8(0x80, 2, 0x8a, 10),
  u8(0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19),
  p.stop,
)

export interface LegacyParts {
  readonly version?: Uint8Array
  readonly system?: Uint8Array
  readonly keys?: Uint8Array
  readonly data?: Uint8Array
}

/** The older format. `data` follows the pickles: for each key its count (int64) and its numbers. */
export const legacyCheckpoint = (code: Uint8Array, parts: LegacyParts = {}): Uint8Array => {
  const version = parts.version ?? p.int(1001)
  const system = parts.system ?? p.dict([p.text('little_endian'), p.true])
  const keys = parts.keys ?? concat(p.emptyList, p.text('0'), p.append)
  const data = parts.data ?? concat(little(4, 8), new Uint8Array(16))
  return concat(legacyMagic, pickle(version), pickle(system), pickle(code), pickle(keys), data)
}

export const int64 = (value: number | bigint): Uint8Array => little(value, 8)
export const floats = (...values: readonly number[]): Uint8Array => new Uint8Array(new Float32Array(values).buffer)
