/** Reads the header of a picture: size, orientation, colours. */
import type { Metadata } from 'sharp'
import { gifHeader } from './gif.ts'
import type { PictureFormat } from './picture-format.ts'
import { orientationIn, tiffTags } from './tiff.ts'

export interface PictureHeader {
  /** Width as stored, before the orientation is applied. */
  readonly width: number
  readonly height: number
  /** 1 to 8, EXIF's numbers. */
  readonly orientation: number
  readonly isCmyk: boolean
  /** An embedded profile other than sRGB's. */
  readonly hasOtherProfile: boolean
  /** A JPEG of the kind that every version of libjpeg-turbo decodes to the same pixels in one pass: see isCommonFrame(). */
  readonly isCommonJpeg: boolean
}

/**
 * @param metadata Reads the header by sharp.
 * @throws the error of `metadata` for a header that cannot be read
 */
export const headerOf = async (
  bytes: Uint8Array,
  format: PictureFormat,
  metadata: () => Promise<Metadata>,
): Promise<PictureHeader> => {
  // Reading the header by sharp would open the file twice. JPEGs, GIFs and most PNGs need sharp only for their pixels.
  const jpeg = format === 'JPEG' ? jpegHeader(bytes) : null
  if (jpeg !== null)
    return {
      width: jpeg.width,
      height: jpeg.height,
      orientation: orientationIn(jpeg.exif === null ? null : tiffTags(jpeg.exif)) ?? orientationOf(jpeg.xmp) ?? 1,
      isCmyk: jpeg.components === 4,
      hasOtherProfile: isOtherProfile(jpeg.profile),
      isCommonJpeg: jpeg.isCommon,
    }
  const png = format === 'PNG' ? pngHeader(bytes) : null
  if (png !== null && !png.hasXmp && !png.hasProfile) {
    const orientation = orientationIn(png.exif === null ? null : tiffTags(png.exif)) ?? 1
    return { width: png.width, height: png.height, orientation, ...plain }
  }
  const gif = format === 'GIF' ? gifHeader(bytes) : null
  if (gif !== null) return { ...gif, orientation: 1, ...plain }
  const found = await metadata()
  return {
    width: found.width,
    height: found.height,
    orientation: format === 'AVIF' ? 1 : (exifOrientation(found, bytes, format) ?? orientationOf(found.xmp) ?? 1),
    isCmyk: found.space === 'cmyk',
    hasOtherProfile: isOtherProfile(found.icc),
    isCommonJpeg: false,
  }
}

const plain = { isCmyk: false, hasOtherProfile: false, isCommonJpeg: false } as const

/** EXIF's orientation; for a TIFF from its own tag, because sharp reports 1 for a missing tag, which would hide XMP's. */
const exifOrientation = (
  { exif }: { readonly exif?: Uint8Array | undefined },
  bytes: Uint8Array,
  format: PictureFormat,
): number | null => {
  if (format === 'TIFF') return orientationIn(tiffTags(bytes))
  if (exif === undefined) return null
  const start = new TextDecoder('latin1').decode(exif.subarray(0, 6)) === 'Exif\0\0' ? 6 : 0
  return orientationIn(tiffTags(exif.subarray(start)))
}

/** The orientation in an XMP packet, as an attribute or as an element. */
const orientationOf = (xmp: Uint8Array | null | undefined): number | null => {
  if (xmp === null || xmp === undefined) return null
  const found = /tiff:Orientation(?:\s*=\s*["']|>)\s*([1-8])/.exec(new TextDecoder().decode(xmp))
  return found === null ? null : Number(found[1])
}

/** Is it a profile other than sRGB's? A profile has its name near its start, in ASCII (version 2) or UTF-16 (version 4). */
const isOtherProfile = (icc: Uint8Array | null | undefined): boolean => {
  if (icc === null || icc === undefined) return false
  return !new TextDecoder('latin1').decode(icc).replaceAll('\0', '').includes('sRGB')
}

export interface PngHeader {
  readonly width: number
  readonly height: number
  /** A TIFF. */
  readonly exif: Uint8Array | null
  /** Whether there may be XMP. It is not read, because it may be compressed. */
  readonly hasXmp: boolean
  readonly hasProfile: boolean
}

/** Null if the header is not the first chunk or the chunks end too early; the decoder then reports the fault. */
export const pngHeader = (bytes: Uint8Array): PngHeader | null => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const nameAt = (at: number): string => String.fromCharCode(...bytes.subarray(at + 4, at + 8))
  if (bytes.length < 33 || nameAt(8) !== 'IHDR') return null
  let exif: Uint8Array | null = null
  let [hasXmp, hasProfile] = [false, false]
  // EXIF and XMP may also be after the pixels.
  for (let at = 33; at + 12 <= bytes.length; at += 12 + view.getUint32(at)) {
    const name = nameAt(at)
    if (name === 'IEND') return { width: view.getUint32(16), height: view.getUint32(20), exif, hasXmp, hasProfile }
    if (name === 'eXIf') exif = bytes.subarray(at + 8, at + 8 + view.getUint32(at))
    if (name === 'iTXt' || name === 'zTXt' || name === 'tEXt') hasXmp = true // any text may be XMP
    if (name === 'iCCP') hasProfile = true
  }
  return null
}

export interface JpegHeader {
  readonly width: number
  readonly height: number
  readonly components: number
  /** See isCommonFrame(). */
  readonly isCommon: boolean
  /** A TIFF. */
  readonly exif: Uint8Array | null
  readonly xmp: Uint8Array | null
  /** The first segment of a profile, which may have more. */
  readonly profile: Uint8Array | null
}

const exifName = 'Exif\0\0'
const xmpName = 'http://ns.adobe.com/xap/1.0/\0'
const profileName = 'ICC_PROFILE\0'

/** Null if there is no frame header; the decoder then reports the fault. */
export const jpegHeader = (bytes: Uint8Array): JpegHeader | null => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const found: { exif: Uint8Array | null; xmp: Uint8Array | null; profile: Uint8Array | null } = {
    exif: null,
    xmp: null,
    profile: null,
  }
  let at = 2
  let frame: Pick<JpegHeader, 'width' | 'height' | 'components' | 'isCommon'> | null = null
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] as number // below the length
    if (marker === 0xff) {
      at++ // padding
      continue
    }
    if (hasNoLength(marker)) {
      at += 2
      continue
    }
    // A scan or the end. A zero or a second start is a fault, which the decoder reports.
    if (marker === 0xda || marker === 0xd9 || marker === 0 || marker === 0xd8) break
    const length = view.getUint16(at + 2)
    const content = bytes.subarray(at + 4, at + 2 + length)
    if (length < 2 || at + 2 + length > bytes.length) break
    // A start of frame. Three markers of the same range are tables.
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc && length >= 8)
      frame ??= {
        height: view.getUint16(at + 5),
        width: view.getUint16(at + 7),
        components: content[5] as number, // `length` bytes
        isCommon: isCommonFrame(marker, content),
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

/** TEM and restarts, which decoders skip between segments. */
const hasNoLength = (marker: number): boolean => marker === 1 || (marker >= 0xd0 && marker <= 0xd7)

/**
 * Is it a sequential frame of 8 bits with Huffman's code, grey or of three components, and are the second and third stored at full resolution, at half
 * the width, or at half of both? Older versions of libjpeg-turbo enlarge other components without smoothing.
 */
const isCommonFrame = (marker: number, content: Uint8Array): boolean => {
  const [precision, components] = [content[0], content[5]]
  if (marker > 0xc1 || precision !== 8) return false
  if (components === 1) return true
  const [first, second, third] = [content[7], content[10], content[13]]
  return components === 3 && second === 0x11 && third === 0x11 && (first === 0x11 || first === 0x21 || first === 0x22)
}

const after = (content: Uint8Array, name: string): Uint8Array | null => {
  for (let i = 0; i < name.length; i++) if (content[i] !== name.charCodeAt(i)) return null
  return content.subarray(name.length)
}
