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
 * @param partOf Selects the part to return, of a picture that was decoded as a whole before. The pixels are the same, in less time; damage since then
 * may go unnoticed.
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
    if (format === null) throw new Error('its format is not supported')
    // Without a limit on the size, because this reads only the header.
    const header = await headerOf(bytes, format, () =>
      judged(1, options.timeLimit, () => open({ limitInputPixels: false }).metadata()),
    )
    checkSize(header, options)
    const { width, height } = uprightSize(header)
    const box = partOf !== undefined && fromTheTop.has(format) ? partOf(width, height) : null
    const part = box === null ? null : storedBox(box, header)
    const isSound = partOf !== undefined
    const picture = await judged(4 * width * height, options.timeLimit, async (isAlone) =>
      upright(await pixelsOf(bytes, format, header, { ...options, part, isSound, isAlone, open, jpeg }), header),
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
  /** Whether the picture is known to be complete. */
  readonly isSound: boolean
  /** Whether no other picture is decoded. */
  readonly isAlone: boolean
  readonly open: (more?: SharpOptions) => Sharp
  readonly jpeg: JpegDecoder | null
}

const pixelsOf = async (
  bytes: Uint8Array,
  format: PictureFormat,
  header: PictureHeader,
  { colors, timeLimit, part, isSound, isAlone, open, jpeg }: PixelsOptions,
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
  if (isSound || (format !== 'JPEG' && format !== 'TIFF')) return read('error')
  return isAlone ? wholePicture(read) : read('warning')
}

/** CMYK without transparency, which would be a fifth channel. */
const inkOf = (data: Uint8Array, channels: number): Uint8Array =>
  channels === 4 ? data : data.filter((_, i) => i % channels < 4)

/**
 * Reads a picture and rejects incomplete ones. If the data of a JPEG ends early, or a JPEG in a TIFF has another size than the TIFF, then libvips
 * makes the rest of the picture grey and only warns. Other warnings do not affect the pixels. Only the message tells which of them it was.
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

/**
 * Runs work on a picture. If it fails, it runs again while no other picture is decoded, and that result counts: libvips has one buffer for the messages
 * of all threads, so the first message may be that of another picture.
 */
const judged = async <T>(bytes: number, timeLimit: number, work: (isAlone: boolean) => Promise<T>): Promise<T> => {
  try {
    return await decodingBudget().during(bytes, () => inTime(timeLimit, () => work(false)))
  } catch (error) {
    if (error instanceof LimitError) throw error
    return await decodingBudget().alone(() => inTime(timeLimit, () => work(true)))
  }
}

/**
 * Rejects after the time limit. Work that still runs then ends by sharp's own limit, and its result is ignored. Several short timers measure the time,
 * because a single one would also count the time in which the process was stopped, or this thread was busy with other work.
 */
const inTime = async <T>(seconds: number, work: () => Promise<T>): Promise<T> => {
  const step = seconds < 0.1 ? seconds : Math.min(1, seconds / 8)
  let left = seconds
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const wait = (): void => {
      left -= step
      timer = setTimeout(() => {
        if (left > 0) wait()
        else reject(new LimitError(`decoding it takes longer than ${seconds} s`, 'allow more time with timeLimit'))
      }, step * 1000)
    }
    wait()
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
    : 'supported formats are JPEG, PNG, WebP, GIF, TIFF and AVIF; the extension of the file does not matter'

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
