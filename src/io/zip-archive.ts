/**
 * Reads the directory of a zip archive with uncompressed entries, as torch.save writes it (also zip64).
 * An entry is a view into the file. Nothing is decompressed, so zip bombs do no harm, and names are never used as paths.
 */
import type { EffuseError } from '../ir/diagnostics.ts'
import { ByteReader } from './byte-reader.ts'
import { crc32 } from './crc32.ts'
import { byteCount, grouped, quote } from './message-text.ts'

/** The entries by name. view() checks the entry's header and checksum. */
export interface ZipArchive {
  readonly names: readonly string[]
  has(name: string): boolean
  /** The bytes of an entry, a view. @throws the error of `corrupt` for a missing, compressed or damaged entry */
  view(name: string): Uint8Array
}

interface Entry {
  readonly name: string
  readonly method: number
  readonly isEncrypted: boolean
  readonly checksum: number
  readonly packedBytes: number
  readonly bytes: number
  readonly headerAt: number
}

const localSignature = 0x04034b50
const entrySignature = 0x02014b50
const endSignature = 0x06054b50
const end64Signature = 0x06064b50
const locator64Signature = 0x07064b50
const endBytes = 22
const commentBytesMax = 0xffff
const cutShort = 'the file was probably cut short: download or save it again'

/**
 * Reads the directory. Copies nothing.
 *
 * @throws the error of `corrupt` if the directory does not describe the file exactly
 */
export const readZip = (bytes: Uint8Array, corrupt: (detail: string, hint?: string) => EffuseError): ZipArchive => {
  const readerAt = (at: number): ByteReader =>
    new ByteReader(bytes, at, (wanted, where, what) =>
      corrupt(
        `${what} at byte ${grouped(where)} needs ${byteCount(wanted)}, ${grouped(bytes.length - where)} are left`,
        cutShort,
      ),
    )
  const { count, start, end } = directoryOf(bytes, readerAt, corrupt)
  const entries = new Map<string, Entry>()
  const reader = readerAt(start)
  for (let i = 0n; i < count; i++) {
    const entry = readEntry(reader, start, corrupt)
    if (entries.has(entry.name)) throw corrupt(`the zip archive has two entries named ${quote(entry.name)}`)
    entries.set(entry.name, entry)
  }
  if (reader.at !== end)
    throw corrupt(
      `the directory of the zip archive should end at byte ${grouped(end)}, its entries end at ${grouped(reader.at)}`,
    )
  checkOverlap([...entries.values()], corrupt)
  return {
    names: [...entries.keys()],
    has: (name) => entries.has(name),
    view: (name) => {
      const entry = entries.get(name)
      if (entry === undefined) throw corrupt(`the zip archive has no entry ${quote(name)}`)
      return viewOf(entry, bytes, readerAt(entry.headerAt), start, corrupt)
    },
  }
}

type Corrupt = (detail: string, hint?: string) => EffuseError

/** The place of the directory, from the record at the end of the file or from its 64-bit version. */
const directoryOf = (
  bytes: Uint8Array,
  readerAt: (at: number) => ByteReader,
  corrupt: Corrupt,
): { readonly count: bigint; readonly start: number; readonly end: number } => {
  const endAt = endRecord(bytes)
  if (endAt === null) throw corrupt('it begins as a zip archive, but the directory at its end is missing', cutShort)
  const record = readerAt(endAt + 4)
  const what = 'the end of the zip archive'
  const disks = record.uint16(what) + record.uint16(what)
  const countHere = record.uint16(what)
  const count = record.uint16(what)
  const size = record.uint32(what)
  const offset = record.uint32(what)
  const isLong = countHere === 0xffff || count === 0xffff || size === 0xffffffff || offset === 0xffffffff
  if (!isLong && (disks !== 0 || countHere !== count)) throw corrupt('the zip archive is one part of a divided archive')
  const place = isLong
    ? longDirectory(endAt, readerAt, corrupt)
    : { count: BigInt(count), size: BigInt(size), offset: BigInt(offset), recordAt: endAt }
  // Torch writes the 64-bit record even if it is not needed. It is then between the directory and the end record.
  const end = place.offset + place.size
  if (end > BigInt(place.recordAt))
    throw corrupt(
      `the directory of the zip archive should be at bytes ${grouped(place.offset)} to ${grouped(end)}, but the record after it begins before that`,
      cutShort,
    )
  return { count: place.count, start: Number(place.offset), end: Number(end) }
}

/** The offset of the end record: the last place with its signature whose comment ends exactly at the end of the file. */
const endRecord = (bytes: Uint8Array): number | null => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const lowest = Math.max(0, bytes.length - endBytes - commentBytesMax)
  for (let at = bytes.length - endBytes; at >= lowest; at--)
    if (view.getUint32(at, true) === endSignature && at + endBytes + view.getUint16(at + 20, true) === bytes.length)
      return at
  return null
}

const longDirectory = (endAt: number, readerAt: (at: number) => ByteReader, corrupt: Corrupt) => {
  const what = 'the 64-bit end of the zip archive'
  const locator = readerAt(Math.max(0, endAt - 20))
  if (endAt < 20 || locator.uint32(what) !== locator64Signature)
    throw corrupt(`${what} is missing before byte ${grouped(endAt)}`)
  locator.uint32(what) // number of the disk
  const recordAt = locator.uint64(what)
  if (recordAt > BigInt(endAt - 20))
    throw corrupt(`${what} should be at byte ${grouped(recordAt)}, but the record after it begins before that`)
  const record = readerAt(Number(recordAt))
  if (record.uint32(what) !== end64Signature) throw corrupt(`${what} is not at byte ${grouped(recordAt)}`)
  record.take(20, what) // its size, versions, disks
  const countHere = record.uint64(what)
  const count = record.uint64(what)
  if (countHere !== count) throw corrupt('the zip archive is one part of a divided archive')
  return { count, size: record.uint64(what), offset: record.uint64(what), recordAt: Number(recordAt) }
}

const readEntry = (reader: ByteReader, directoryAt: number, corrupt: Corrupt): Entry => {
  const what = 'an entry of the directory of the zip archive'
  const at = reader.at
  if (reader.uint32(what) !== entrySignature) throw corrupt(`expected ${what} at byte ${grouped(at)}`)
  reader.take(4, what) // versions
  const flags = reader.uint16(what)
  const method = reader.uint16(what)
  reader.take(4, what) // time
  const checksum = reader.uint32(what)
  const short = { packed: reader.uint32(what), bytes: reader.uint32(what) }
  const nameBytes = reader.uint16(what)
  const extraBytes = reader.uint16(what)
  const commentBytes = reader.uint16(what)
  reader.take(8, what) // disk, attributes
  const shortOffset = reader.uint32(what)
  const name = decodeName(reader.take(nameBytes, what), at, corrupt)
  const extra = reader.take(extraBytes, what)
  reader.take(commentBytes, what)

  // Numbers of more than 32 bits are in the extra field 1, in this order, and only if the short field has its maximum.
  const long = longField(extra)
  const wide = (short: number): number => {
    if (short !== 0xffffffff) return short
    const value = long.left >= 8 ? long.uint64(what) : null
    if (value === null || value > BigInt(Number.MAX_SAFE_INTEGER))
      throw corrupt(`entry ${quote(name)} of the zip archive has no valid size, at byte ${grouped(at)}`)
    return Number(value)
  }
  const bytes = wide(short.bytes)
  const packedBytes = wide(short.packed)
  const headerAt = wide(shortOffset)
  if (headerAt + 30 + packedBytes > directoryAt)
    throw corrupt(
      `entry ${quote(name)} of the zip archive (${byteCount(packedBytes)} from byte ${grouped(headerAt)}) reaches past byte ${grouped(directoryAt)}, where the data ends`,
    )
  return { name, method, isEncrypted: (flags & 1) !== 0, checksum, packedBytes, bytes, headerAt }
}

const decodeName = (bytes: Uint8Array, at: number, corrupt: Corrupt): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw corrupt(`a name in the zip archive is not UTF-8, at byte ${grouped(at)}`)
  }
}

/** The content of extra field 1; empty if there is none. */
const longField = (extra: Uint8Array): ByteReader => {
  const never = (): Error => new Error('checked before')
  const fields = new ByteReader(extra, 0, never)
  while (fields.left >= 4) {
    const id = fields.uint16('')
    const size = Math.min(fields.uint16(''), fields.left)
    const content = fields.take(size, '')
    if (id === 1) return new ByteReader(content, 0, never)
  }
  return new ByteReader(new Uint8Array(0), 0, never)
}

/** Rejects overlapping entries, by which a small archive could pretend to be large. */
const checkOverlap = (entries: readonly Entry[], corrupt: Corrupt): void => {
  let end = 0
  for (const entry of entries.toSorted((a, b) => a.headerAt - b.headerAt)) {
    if (entry.headerAt < end)
      throw corrupt(
        `entry ${quote(entry.name)} of the zip archive overlaps another, at byte ${grouped(entry.headerAt)}`,
      )
    end = entry.headerAt + 30 + entry.packedBytes
  }
}

const viewOf = (
  entry: Entry,
  file: Uint8Array,
  local: ByteReader,
  directoryAt: number,
  corrupt: Corrupt,
): Uint8Array => {
  const label = `entry ${quote(entry.name)} of the zip archive`
  if (entry.isEncrypted) throw corrupt(`${label} is encrypted`, 'save the checkpoint again without a password')
  if (entry.method !== 0 || entry.packedBytes !== entry.bytes)
    throw corrupt(
      `${label} is compressed, which torch.save never does`,
      'unpack the archive and pack it again with zip -0 -r, or save the checkpoint again',
    )
  const what = `the header of ${label}`
  if (local.uint32(what) !== localSignature) throw corrupt(`expected ${what} at byte ${grouped(entry.headerAt)}`)
  local.take(22, what) // fields that the directory has too
  const nameBytes = local.uint16(what)
  const extraBytes = local.uint16(what)
  if (decodeName(local.take(nameBytes, what), entry.headerAt, corrupt) !== entry.name)
    throw corrupt(`${what} at byte ${grouped(entry.headerAt)} has another name`)
  local.take(extraBytes, what)
  const start = local.at
  if (start + entry.bytes > directoryAt)
    throw corrupt(
      `${label} (${byteCount(entry.bytes)} from byte ${grouped(start)}) reaches past byte ${grouped(directoryAt)}, where the data ends`,
    )
  const bytes = file.subarray(start, start + entry.bytes)
  // torch.save can omit checksums; it then writes 0.
  const checksum = entry.checksum === 0 ? 0 : crc32(bytes)
  if (checksum !== entry.checksum)
    throw corrupt(
      `${label} is damaged: its checksum should be ${hex(entry.checksum)} and is ${hex(checksum)}`,
      'download or save the file again',
    )
  return bytes
}

const hex = (checksum: number): string => `0x${checksum.toString(16).padStart(8, '0')}`
