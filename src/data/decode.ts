/** Decodes bytes to the pixel values that the file stores, mostly by sharp (an optional package). */
import type { Sharp, SharpOptions } from 'sharp'
import { EffuseError } from '../ir/diagnostics.ts'
import { rgbOf, rgbOfCmyk, rgbOfYcbcr } from './colours.ts'
import { decodingBudget } from './budget.ts'
import { decodeGif } from './gif.ts'
import { formatOf, looksLike, type PictureFormat } from './picture-format.ts'
import { type Decoded, type DecodeOptions, decodeDefaults, type Picture } from './picture.ts'
import type { JpegDecoder } from './libjpeg-turbo.ts'
import { headerOf, type PictureHeader } from './picture-header.ts'
import { storesYcbcr, uncompressedYcbcr } from './tiff.ts'
import { storedBox, upright, uprightSize } from './upright.ts'
import { type Box, cutBox } from '../pixels/box.ts'

/** Formats that are decoded from the top. Pixels below the wanted part are not decoded, so damage there goes unnoticed. */
const fromTheTop: ReadonlySet<PictureFormat> = new Set(['JPEG', 'PNG'])

/** The wanted part of an upright picture of this size. */
export type PartOf = (width: number, height: number) => Box

/**
 * A picture as RGB of 8 bits with the stored values: grey is repeated, transparency is dropped and hidden colours stay, CMYK is converted by Pillow's
 * formula, 16 bits are cut to the upper 8, palettes are looked up, and the orientation of EXIF or XMP is applied. Of several pictures it takes the
 * first.
 *
 * @param path For messages.
 * @param partOf Selects the part to return. Its pixels are those of the whole picture, in less time; damage in other parts may go unnoticed.
 * @param jpeg Decodes JPEGs with stored colours before sharp is tried. It gives the same pixels.
 * @throws EffuseError EF506 (another format, damaged, too large, too slow), EF404 (sharp is not installed).
 */
export const decode = async (
  bytes: Uint8Array,
  path: string,
  options: DecodeOptions = decodeDefaults,
  partOf?: PartOf,
  jpeg: JpegDecoder | null = null,
): Promise<Decoded> => {
  const sharp = await loadSharp()
  const open = (more: SharpOptions = {}): Sharp =>
    sharp(bytes, {
      failOn: 'error',
      limitInputPixels: options.maxPixels,
      sequentialRead: true,
      ignoreIcc: options.colors === 'stored',
      ...more,
    })
  try {
    const format = formatOf(bytes)
    if (format === null) throw new Error('this is none of the formats that are read')
    // Without a limit on the size, because this reads only the header.
    const header = await inTime(options.timeLimit, () =>
      headerOf(bytes, format, () => open({ limitInputPixels: false })),
    )
    checkSize(header, options)
    const { width, height } = uprightSize(header)
    const box = partOf !== undefined && fromTheTop.has(format) ? partOf(width, height) : null
    const part = box === null ? null : storedBox(box, header)
    const picture = await decodingBudget().during(4 * width * height, () =>
      inTime(options.timeLimit, async () =>
        upright(await pixelsOf(bytes, format, header, { ...options, part, open, jpeg }), header),
      ),
    )
    const wanted = partOf === undefined || box !== null ? picture : cut(picture, partOf)
    return { ...wanted, hasOtherProfile: header.hasOtherProfile }
  } catch (error) {
    throw new EffuseError({
      code: 'EF506',
      message: `${path} cannot be decoded as a picture: it ${looksLike(bytes)}; ${wordsOf(error)}`,
      hint: hintOf(error),
      cause: error,
    })
  }
}

const cut = (picture: Picture, partOf: PartOf): Picture => {
  const box = partOf(picture.width, picture.height)
  return { width: box.width, height: box.height, channels: 3, data: cutBox(picture, box) }
}

interface PixelsOptions extends DecodeOptions {
  /** The part to read, in stored coordinates; null for all. */
  readonly part: Box | null
  readonly open: (more?: SharpOptions) => Sharp
  readonly jpeg: JpegDecoder | null
}

const pixelsOf = async (
  bytes: Uint8Array,
  format: PictureFormat,
  header: PictureHeader,
  { colors, timeLimit, part, open, jpeg }: PixelsOptions,
): Promise<Picture> => {
  if (format === 'GIF') return decodeGif(bytes)
  const isStored = colors === 'stored'
  const own = format === 'TIFF' ? uncompressedYcbcr(bytes) : null
  if (own !== null) return { ...own, channels: 3, data: rgbOfYcbcr(own.data) }
  const decoded = isStored ? (jpeg?.(bytes, header, part) ?? null) : null
  if (decoded !== null) return decoded
  const isInk = header.isCmyk && isStored
  const read = async (failOn: 'error' | 'warning'): Promise<Picture> => {
    const whole = open({ failOn }).timeout({ seconds: Math.min(3600, Math.ceil(timeLimit)) })
    const pipeline = part === null ? whole : whole.extract(part)
    const coloured = isInk
      ? pipeline.pipelineColourspace('cmyk').toColourspace('cmyk')
      : pipeline.toColourspace('srgb').removeAlpha()
    const { data, info } = await coloured.raw().toBuffer({ resolveWithObject: true })
    const rgb = isInk ? rgbOfCmyk(inkOf(data, info.channels)) : rgbOf(data, info.channels)
    const isYcbcr = format === 'TIFF' && storesYcbcr(bytes)
    return { width: info.width, height: info.height, channels: 3, data: isYcbcr ? rgbOfYcbcr(rgb) : rgb }
  }
  return format === 'JPEG' || format === 'TIFF' ? wholePicture(read) : read('error')
}

/** CMYK without transparency, which would be a fifth channel. */
const inkOf = (data: Uint8Array, channels: number): Uint8Array =>
  channels === 4 ? data : data.filter((_, i) => i % channels < 4)

/**
 * Reads a picture and rejects incomplete ones. If the data of a JPEG ends early, or a JPEG in a TIFF has another size than the TIFF, then libvips
 * makes the rest of the picture grey and only warns. Other warnings do not affect the pixels.
 */
const wholePicture = async (read: (failOn: 'error' | 'warning') => Promise<Picture>): Promise<Picture> => {
  try {
    return await read('warning')
  } catch (error) {
    if (error instanceof Error && /premature end|Improper JPEG strip/.test(error.message)) throw error
    return await read('error')
  }
}

const checkSize = (
  { width, height }: { readonly width: number; readonly height: number },
  { maxPixels }: DecodeOptions,
): void => {
  if (width * height > maxPixels)
    throw new LimitError(
      `its header says ${width}x${height}, more than ${maxPixels} pixels`,
      'make it smaller, or allow more with maxPixels',
    )
  if (width * height === 0) throw new Error(`its header says ${width}x${height}`)
}

/** The picture exceeds a limit; its file need not be damaged. */
class LimitError extends Error {
  readonly hint: string
  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

/** Rejects after the time limit. Work that still runs then ends by sharp's own limit, and its result is ignored. */
const inTime = async <T>(seconds: number, work: () => Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new LimitError(`decoding it takes longer than ${seconds} s`, 'allow more time with timeLimit')),
      Math.min(seconds * 1000, 2 ** 31 - 1),
    )
  })
  try {
    return await Promise.race([work(), late])
  } finally {
    clearTimeout(timer)
  }
}

const hintOf = (error: unknown): string =>
  error instanceof LimitError
    ? error.hint
    : 'JPEG, PNG, WebP, GIF, TIFF and AVIF are read; the ending of the name does not matter'

/** libvips reports every attempt. Lines that differ only in numbers are shown once. */
const wordsOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error)
  const lines = new Map<string, string>()
  for (const line of message.split('\n')) {
    const trimmed = line.trim().replace(/^Input \w+ has corrupt header: /, '')
    const kind = trimmed.replace(/\d+/g, '0')
    // Omits libvips's internal places and codes.
    if (trimmed === '' || kind === '(0.0)' || kind.startsWith('source: bad seek')) continue
    if (!lines.has(kind)) lines.set(kind, trimmed)
  }
  const told = [...lines.values()].join('; ')
  return told === '' || told.includes('unsupported image format') ? 'its header is damaged or cut off' : told
}

type SharpPackage = typeof import('sharp').default
/** @throws EffuseError EF404 */
export const loadSharp = async (): Promise<SharpPackage> => {
  try {
    return (await import('sharp')).default
  } catch (error) {
    throw new EffuseError({
      code: 'EF404',
      message: 'pictures are decoded by the package sharp, which is not installed',
      hint: 'npm install sharp',
      cause: error,
    })
  }
}
