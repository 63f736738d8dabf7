/** Reads the first directory of a TIFF, also that of EXIF: tags and their numbers. */

/** Bytes per number of the types BYTE, SHORT and LONG. Other types are skipped. */
const widths: ReadonlyMap<number, 1 | 2 | 4> = new Map([
  [1, 1],
  [3, 2],
  [4, 4],
])
const tagsMax = 4096
const numbersMax = 1 << 20

/** Null if the bytes are not a classic TIFF, or end too early. */
export const tiffTags = (bytes: Uint8Array): ReadonlyMap<number, readonly number[]> | null => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const order = bytes.length < 8 ? 0 : view.getUint16(0)
  if (order !== 0x4949 && order !== 0x4d4d) return null
  const isLittle = order === 0x4949
  if (view.getUint16(2, isLittle) !== 42) return null
  const start = view.getUint32(4, isLittle)
  if (start + 2 > bytes.length) return null
  const count = Math.min(tagsMax, view.getUint16(start, isLittle))
  const tags = new Map<number, readonly number[]>()
  for (let i = 0; i < count; i++) {
    const entry = start + 2 + 12 * i
    if (entry + 12 > bytes.length) return null
    const width = widths.get(view.getUint16(entry + 2, isLittle))
    const length = view.getUint32(entry + 4, isLittle)
    if (width === undefined || length > numbersMax) continue
    const at = width * length <= 4 ? entry + 8 : view.getUint32(entry + 8, isLittle)
    if (at + width * length > bytes.length) continue
    const read = (place: number): number =>
      width === 1
        ? view.getUint8(place)
        : width === 2
          ? view.getUint16(place, isLittle)
          : view.getUint32(place, isLittle)
    tags.set(
      view.getUint16(entry, isLittle),
      Array.from({ length }, (_, n) => read(at + width * n)),
    )
  }
  return tags
}

/** EXIF's orientation, 1 to 8; null if the tags have none. */
export const orientationIn = (tags: ReadonlyMap<number, readonly number[]> | null): number | null => {
  const value = tags?.get(0x112)?.[0]
  return value !== undefined && value >= 1 && value <= 8 ? value : null
}

const [width, height, bits, compression, photometric, offsets, channels, counts, planar, subsampling] = [
  256, 257, 258, 259, 262, 273, 277, 279, 284, 530,
]
const [asYcbcr, oldJpeg, jpeg] = [6, 6, 7]

/** Does the TIFF have YCbCr values without subsampling, which sharp does not convert? It converts JPEG-compressed and subsampled ones. */
export const storesYcbcr = (bytes: Uint8Array): boolean => {
  const tags = tiffTags(bytes)
  const packing = tags?.get(compression)?.[0] ?? 1
  const isWhole = (tags?.get(subsampling) ?? [2, 2]).every((n) => n === 1)
  return tags?.get(photometric)?.[0] === asYcbcr && packing !== oldJpeg && packing !== jpeg && isWhole
}

/**
 * The YCbCr values [height,width,3] of an uncompressed file: its strips, one after another. They are read here, because many writers do not state
 * that the colours have full resolution, and libtiff then assumes subsampling. Null for other files.
 */
export const uncompressedYcbcr = (
  bytes: Uint8Array,
): { readonly width: number; readonly height: number; readonly data: Uint8Array } | null => {
  const tags = tiffTags(bytes)
  const first = (tag: number, otherwise: number): number => tags?.get(tag)?.[0] ?? otherwise
  const isOurs =
    first(photometric, 0) === asYcbcr &&
    first(compression, 1) === 1 &&
    first(planar, 1) === 1 &&
    first(channels, 1) === 3 &&
    (tags?.get(bits) ?? []).every((n) => n === 8)
  const [starts, lengths] = [tags?.get(offsets), tags?.get(counts)]
  if (!isOurs || starts === undefined || lengths === undefined || starts.length !== lengths.length) return null
  const size = { width: first(width, 0), height: first(height, 0) }
  const total = lengths.reduce((a, b) => a + b, 0)
  // Subsampled data is shorter.
  if (total < size.width * size.height * 3) return null
  const data = new Uint8Array(total)
  let filled = 0
  for (const [i, start] of starts.entries()) {
    const strip = bytes.subarray(start, start + (lengths[i] as number)) // as many lengths as starts
    if (strip.length !== lengths[i]) throw new Error('a strip lies outside of the file')
    data.set(strip, filled)
    filled += strip.length
  }
  return { ...size, data: data.subarray(0, size.width * size.height * 3) }
}
