/** TIFFs that store YCbCr for every pixel: sharp gives such values as if they were RGB. */
import { tiffTags } from './tiff-tags.ts'

const [width, height, bits, compression, photometric, offsets, channels, counts, planar, subsampling] = [
  256, 257, 258, 259, 262, 273, 277, 279, 284, 530,
]
const [asYcbcr, oldJpeg, jpeg] = [6, 6, 7]

/** The values are YCbCr, as many of each, and sharp does not know. What is packed as JPEG, or subsampled, it converts itself. */
export const storesYcbcr = (bytes: Uint8Array): boolean => {
  const tags = tiffTags(bytes)
  const packing = tags?.get(compression)?.[0] ?? 1
  const isWhole = (tags?.get(subsampling) ?? [2, 2]).every((n) => n === 1)
  return tags?.get(photometric)?.[0] === asYcbcr && packing !== oldJpeg && packing !== jpeg && isWhole
}

/**
 * YCbCr [height,width,3] of a file without compression: its strips, one after another. Read here since many writers leave out that the colours
 * have all pixels, and libtiff then takes them for fewer. Null where the file is another one.
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
