/** What a picture says of itself before its pixels: size, orientation, colours. */
import type { Sharp } from 'sharp'
import { gifHeader } from './gif.ts'
import { jpegHeader } from './jpeg-header.ts'
import type { PictureFormat } from './picture-format.ts'
import { pngHeader } from './png-header.ts'
import { orientationIn, tiffTags } from './tiff-tags.ts'

export interface PictureHeader {
  /** As stored, before the orientation is applied. */
  readonly width: number
  readonly height: number
  /** 1 to 8, EXIF's numbers. */
  readonly orientation: number
  readonly isCmyk: boolean
  /** An embedded profile other than sRGB's. */
  readonly hasOtherProfile: boolean
}

/** @throws what sharp throws of a header that cannot be read */
export const headerOf = async (bytes: Uint8Array, format: PictureFormat, open: () => Sharp): Promise<PictureHeader> => {
  // sharp opens a file anew to read its pixels, which for most of the pictures that people have can be done without.
  const jpeg = format === 'JPEG' ? jpegHeader(bytes) : null
  if (jpeg !== null)
    return {
      width: jpeg.width,
      height: jpeg.height,
      orientation: orientationIn(jpeg.exif === null ? null : tiffTags(jpeg.exif)) ?? orientationOf(jpeg.xmp) ?? 1,
      isCmyk: jpeg.components === 4,
      hasOtherProfile: isOtherProfile(jpeg.profile),
    }
  const png = format === 'PNG' ? pngHeader(bytes) : null
  if (png !== null && !png.hasXmp && !png.hasProfile) {
    const orientation = orientationIn(png.exif === null ? null : tiffTags(png.exif)) ?? 1
    return { width: png.width, height: png.height, orientation, isCmyk: false, hasOtherProfile: false }
  }
  const gif = format === 'GIF' ? gifHeader(bytes) : null
  if (gif !== null) return { ...gif, orientation: 1, isCmyk: false, hasOtherProfile: false }
  const found = await open().metadata()
  return {
    width: found.width,
    height: found.height,
    orientation: format === 'AVIF' ? 1 : (exifOrientation(found, bytes, format) ?? orientationOf(found.xmp) ?? 1),
    isCmyk: found.space === 'cmyk',
    hasOtherProfile: isOtherProfile(found.icc),
  }
}

/** Of a TIFF its own tag. sharp says 1 where there is none, so that XMP would never be heard. */
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

/** In an XMP packet, an attribute or an element. */
const orientationOf = (xmp: Uint8Array | null | undefined): number | null => {
  if (xmp === null || xmp === undefined) return null
  const found = /tiff:Orientation(?:\s*=\s*["']|>)\s*([1-8])/.exec(new TextDecoder().decode(xmp))
  return found === null ? null : Number(found[1])
}

/** A profile names itself near its beginning, in version 2 in ASCII, in version 4 in UTF-16. */
const isOtherProfile = (icc: Uint8Array | null | undefined): boolean => {
  if (icc === null || icc === undefined) return false
  return !new TextDecoder('latin1').decode(icc).replaceAll('\0', '').includes('sRGB')
}
