/** The first directory of a TIFF, which is also what EXIF is: tags and their numbers. */

/** Bytes of one number of the types BYTE, SHORT and LONG; others are left out. */
const widths: ReadonlyMap<number, 1 | 2 | 4> = new Map([
  [1, 1],
  [3, 2],
  [4, 4],
])
const tagsMax = 4096
const numbersMax = 1 << 20

/** Null where the bytes are no TIFF of the classic kind, or end too early. */
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

/** 1 to 8, as the camera was held; null where the tags do not say. */
export const orientationIn = (tags: ReadonlyMap<number, readonly number[]> | null): number | null => {
  const value = tags?.get(0x112)?.[0]
  return value !== undefined && value >= 1 && value <= 8 ? value : null
}
