/**
 * Reads the two containers of torch.save: the zip archive (since PyTorch 1.6), and the older stream of pickles followed by the numbers.
 * Both contain the saved value and the bytes of each storage.
 */
import { byteCount, grouped, quote } from './message-text.ts'
import { runPickle, saveAgain } from './pickle-machine.ts'
import { kindOf, type PickleValue, type StorageRef } from './pickle-values.ts'
import { itemBytes } from './tensor-entry.ts'
import { type Corrupt, dataHost, torchHost } from './torch-objects.ts'
import { readZip, type ZipArchive } from './zip-archive.ts'

export interface TorchContent {
  readonly value: PickleValue
  /** The bytes of a storage that `value` refers to, a view into the file. */
  storage(ref: StorageRef): Uint8Array
}

export const isZip = (bytes: Uint8Array): boolean => startsWith(bytes, [0x50, 0x4b, 0x03, 0x04])

/** The start of the older stream: PROTO 2, LONG1 of ten bytes, 0x1950a86a20f9469cfc6c, STOP. */
const legacyStart = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]
export const isLegacyTorch = (bytes: Uint8Array): boolean => startsWith(bytes, legacyStart)

const startsWith = (bytes: Uint8Array, start: readonly number[]): boolean => start.every((byte, i) => bytes[i] === byte)

const littleOnly =
  'save the checkpoint again on a little-endian machine, or with torch.serialization.set_default_load_endianness'

/** The name of the entry with the pickle. Its folder is the folder of all entries. */
export const pickleEntry = (names: readonly string[]): string | undefined =>
  names.find((name) => /^[^/]+\/data\.pkl$/.test(name))

export const readZipContainer = (bytes: Uint8Array, corrupt: Corrupt): TorchContent => {
  const zip = readZip(bytes, corrupt)
  const pickleName = pickleEntry(zip.names)
  if (pickleName === undefined)
    throw corrupt(
      `the zip archive has no entry data.pkl, as torch.save writes it; it has ${someNames(zip.names)}`,
      saveAgain,
    )
  const folder = pickleName.slice(0, -'data.pkl'.length)
  const stranger = zip.names.find((name) => !name.startsWith(folder))
  if (stranger !== undefined)
    throw corrupt(
      `all entries of the zip archive must be in the folder ${quote(folder)}, but ${quote(stranger)} is not`,
    )
  if (zip.has(`${folder}constants.pkl`))
    throw corrupt('it is a TorchScript program (torch.jit.save), not a dict of tensors', saveAgain)
  const order = zip.has(`${folder}byteorder`)
    ? String.fromCharCode(...zip.view(`${folder}byteorder`).subarray(0, 20))
    : 'little'
  if (order !== 'little')
    throw corrupt(`the numbers must be little endian, but the entry byteorder says ${quote(order)}`, littleOnly)

  const storages = new Map<string, StorageRef>()
  const pickle = zip.view(pickleName)
  const { value, end } = runPickle(
    pickle,
    0,
    torchHost((detail, hint) => corrupt(`entry data.pkl: ${detail}`, hint), storages),
  )
  if (end !== pickle.length) throw corrupt(`entry data.pkl has ${byteCount(pickle.length - end)} after the pickle`)
  return { value, storage: cached((ref) => zipStorage(zip, `${folder}data/${ref.key}`, ref, corrupt)) }
}

/** A few names of an archive, for messages. */
export const someNames = (names: readonly string[]): string =>
  names.length === 0
    ? 'none'
    : `${names
        .slice(0, 3)
        .map((name) => quote(name))
        .join(', ')}${names.length > 3 ? ` and ${grouped(names.length - 3)} more` : ''}`

const zipStorage = (zip: ZipArchive, name: string, ref: StorageRef, corrupt: Corrupt): Uint8Array => {
  const view = zip.view(name)
  const wanted = ref.elements * itemBytes[ref.dtype]
  if (view.length !== wanted)
    throw corrupt(
      `storage ${quote(ref.key)} (${ref.dtype}[${ref.elements}]) needs ${byteCount(wanted)}, its entry has ${byteCount(view.length)}`,
    )
  return view
}

/** Reads each storage once, so that its checksum is computed once for all its tensors. */
const cached = (read: (ref: StorageRef) => Uint8Array): ((ref: StorageRef) => Uint8Array) => {
  const known = new Map<string, Uint8Array>()
  return (ref) => {
    const bytes = known.get(ref.key) ?? read(ref)
    known.set(ref.key, bytes)
    return bytes
  }
}

/** The layout: magic number, protocol version, machine, value, keys of the storages; then for each storage its count (int64) and its numbers. */
export const readLegacyContainer = (bytes: Uint8Array, corrupt: Corrupt): TorchContent => {
  const data = dataHost(corrupt)
  const version = runPickle(bytes, legacyStart.length, data)
  if (version.value !== 1001)
    throw corrupt(
      `the version of the format should be 1001, it is ${typeof version.value === 'number' ? version.value : kindOf(version.value)}`,
    )
  const system = runPickle(bytes, version.end, data)
  if (lookUp(system.value, 'little_endian') !== true)
    throw corrupt('the numbers must be little endian, but the file does not say so', littleOnly)

  const storages = new Map<string, StorageRef>()
  const { value, end } = runPickle(bytes, system.end, torchHost(corrupt, storages))
  const keys = runPickle(bytes, end, data)
  const views = readStorages(bytes, keys.end, keyList(keys.value, corrupt), storages, corrupt)
  return {
    value,
    storage: (ref) => {
      const view = views.get(ref.key)
      if (view === undefined) throw corrupt(`the numbers of storage ${quote(ref.key)} are missing`)
      return view
    },
  }
}

const lookUp = (dict: PickleValue, key: string): PickleValue | undefined =>
  typeof dict === 'object' && dict?.kind === 'dict' ? dict.entries.find(([name]) => name === key)?.[1] : undefined

const keyList = (value: PickleValue, corrupt: Corrupt): readonly string[] => {
  const items = typeof value === 'object' && value?.kind === 'list' ? value.items : null
  const keys = items?.filter((key) => typeof key === 'string')
  if (items === null || keys?.length !== items.length)
    throw corrupt(`expected the list of the storages' keys, got ${kindOf(value)}`)
  if (new Set(keys).size < keys.length) throw corrupt('a storage occurs twice in the list of keys')
  return keys
}

const readStorages = (
  bytes: Uint8Array,
  start: number,
  keys: readonly string[],
  storages: ReadonlyMap<string, StorageRef>,
  corrupt: Corrupt,
): ReadonlyMap<string, Uint8Array> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const views = new Map<string, Uint8Array>()
  let at = start
  for (const key of keys) {
    const ref = storages.get(key)
    if (ref === undefined) throw corrupt(`storage ${quote(key)} is listed, but no tensor uses it`)
    const wanted = 8 + ref.elements * itemBytes[ref.dtype]
    if (wanted > bytes.length - at)
      throw corrupt(
        `storage ${quote(key)} (${ref.dtype}[${ref.elements}]) needs ${byteCount(wanted)} from byte ${grouped(at)}, ${grouped(bytes.length - at)} are left`,
        'the file was probably cut short: download or save it again',
      )
    const count = view.getBigInt64(at, true)
    if (count !== BigInt(ref.elements))
      throw corrupt(
        `storage ${quote(key)} should have ${grouped(ref.elements)} elements, byte ${grouped(at)} says ${grouped(count)}`,
      )
    views.set(key, bytes.subarray(at + 8, at + wanted))
    at += wanted
  }
  if (at !== bytes.length)
    throw corrupt(`${byteCount(bytes.length - at)} follow the last storage, from byte ${grouped(at)}`)
  return views
}
