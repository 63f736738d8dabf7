/** The segments of a JPEG before its pixels. */

export interface JpegHeader {
  readonly width: number
  readonly height: number
  readonly components: number
  /** A TIFF. */
  readonly exif: Uint8Array | null
  readonly xmp: Uint8Array | null
  /** The first piece of a profile; it may be continued in others. */
  readonly profile: Uint8Array | null
}

const exifName = 'Exif\0\0'
const xmpName = 'http://ns.adobe.com/xap/1.0/\0'
const profileName = 'ICC_PROFILE\0'

/** Null where the frame's header is not found: that is for the decoder to judge. */
export const jpegHeader = (bytes: Uint8Array): JpegHeader | null => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found: { exif: Uint8Array | null; xmp: Uint8Array | null; profile: Uint8Array | null } = {
    exif: null,
    xmp: null,
    profile: null,
  }
  let at = 2
  let frame: Pick<JpegHeader, 'width' | 'height' | 'components'> | null = null
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] as number // below the length
    if (marker === 0xff) {
      at++ // padding
      continue
    }
    if (marker === 0xda || marker === 0xd9) break
    const length = view.getUint16(at + 2)
    const content = bytes.subarray(at + 4, at + 2 + length)
    if (length < 2 || at + 2 + length > bytes.length) break
    // Start of frame, but not the tables whose markers lie among its.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc && length >= 8)
      frame ??= {
        height: view.getUint16(at + 5),
        width: view.getUint16(at + 7),
        components: content[5] as number, // `length` bytes
      }
    if (marker === 0xe1) {
      found.exif ??= after(content, exifName)
      found.xmp ??= after(content, xmpName)
    }
    if (marker === 0xe2) found.profile ??= after(content, profileName)
    at += 2 + length
  }
  return frame === null || frame.width === 0 || frame.height === 0 ? null : { ...frame, ...found }
}

const after = (content: Uint8Array, name: string): Uint8Array | null => {
  for (let i = 0; i < name.length; i++) if (content[i] !== name.charCodeAt(i)) return null
  return content.subarray(name.length)
}
