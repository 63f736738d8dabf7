/** The chunks of a PNG before its pixels. */

export interface PngHeader {
  readonly width: number
  readonly height: number
  /** A TIFF. */
  readonly exif: Uint8Array | null
  /** Not looked into: it may be compressed. */
  readonly hasXmp: boolean
  readonly hasProfile: boolean
}

/** Null where the header is not the first chunk, or they end too early: that is for the decoder to judge. */
export const pngHeader = (bytes: Uint8Array): PngHeader | null => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const nameAt = (at: number): string => String.fromCharCode(...bytes.subarray(at + 4, at + 8))
  if (bytes.length < 33 || nameAt(8) !== 'IHDR') return null
  let exif: Uint8Array | null = null
  let [hasXmp, hasProfile] = [false, false]
  // EXIF and XMP may also stand after the pixels.
  for (let at = 33; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const name = nameAt(at)
    if (name === 'IEND') return { width: view.getUint32(16), height: view.getUint32(20), exif, hasXmp, hasProfile }
    if (name === 'eXIf') exif = bytes.subarray(at + 8, at + 8 + view.getUint32(at))
    if (name === 'iTXt' || name === 'zTXt' || name === 'tEXt') hasXmp = true // any text may be one
    if (name === 'iCCP') hasProfile = true
  }
  return null
}
