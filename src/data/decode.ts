/** Bytes to pixels by sharp (an optional package). */
import { EffuseError } from '../ir/diagnostics.ts'
import type { PixelGrid } from '../pixels/resample.ts'

/** RGB, 0 to 255, row-major [height, width, 3]. */
export interface Picture extends PixelGrid {
  readonly channels: 3
}

/**
 * A picture of any kind as RGB of 8 bits: grey repeated, transparency dropped, CMYK and deeper ones converted, palettes looked up, the
 * camera's orientation applied.
 *
 * @param path for messages.
 * @throws EffuseError EF506 (no picture, or damaged), EF404 (sharp is not installed).
 */
export const decode = async (bytes: Uint8Array, path: string): Promise<Picture> => {
  const sharp = await loadSharp()
  try {
    const { data, info } = await sharp(bytes, { failOn: 'error' })
      .rotate()
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true })
    return { width: info.width, height: info.height, channels: 3, data: rgb(data, info.channels) }
  } catch (error) {
    throw new EffuseError({
      code: 'EF506',
      message: `${path} cannot be decoded as a picture: it ${looksLike(bytes)}; ${error instanceof Error ? error.message : String(error)}`,
      hint: 'JPEG, PNG, WebP, GIF, TIFF and AVIF are read, whatever the name ends in',
      cause: error,
    })
  }
}

/** Grey by the weights of ITU-R BT.601, as Pillow and TensorFlow have it: [pixels, 3] to [pixels]. */
export const grey = (data: Uint8Array): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(data.length / 3)
  for (let i = 0; i < out.length; i++) {
    const [red, green, blue] = [data[3 * i] as number, data[3 * i + 1] as number, data[3 * i + 2] as number] // three a pixel
    out[i] = Math.round((299 * red + 587 * green + 114 * blue) / 1000)
  }
  return out
}

/** Some versions of sharp give grey pictures as they are. */
export const rgb = (data: Uint8Array, channels: number): Uint8Array<ArrayBuffer> => {
  if (channels === 3) return new Uint8Array(data)
  return Uint8Array.from(
    { length: (data.length / channels) * 3 },
    (_, i) => data[Math.floor(i / 3) * channels] as number,
  )
}

type Sharp = typeof import('sharp').default
/** @throws EffuseError EF404 */
export const loadSharp = async (): Promise<Sharp> => {
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

const signatures: readonly (readonly [string, readonly number[]])[] = [
  ['begins like a JPEG', [0xff, 0xd8, 0xff]],
  ['begins like a PNG', [0x89, 0x50, 0x4e, 0x47]],
  ['begins like a GIF', [0x47, 0x49, 0x46, 0x38]],
  ['begins like a RIFF file (WebP or sound)', [0x52, 0x49, 0x46, 0x46]],
  ['looks like a PDF', [0x25, 0x50, 0x44, 0x46]],
  ['looks like a zip archive', [0x50, 0x4b, 3, 4]],
]
const looksLike = (bytes: Uint8Array): string => {
  if (bytes.length === 0) return 'is empty'
  const known = signatures.find(([, start]) => start.every((byte, i) => bytes[i] === byte))
  if (known !== undefined) return `${known[0]} of ${bytes.length} bytes`
  const start = bytes.subarray(0, 64)
  if (start.every((byte) => byte === 9 || byte === 10 || byte === 13 || (byte >= 32 && byte < 127)))
    return `looks like text ("${new TextDecoder().decode(start.subarray(0, 24)).replace(/\s+/g, ' ')}…")`
  return `begins with bytes that no known picture format has (${[...bytes.subarray(0, 4)].map((b) => b.toString(16).padStart(2, '0')).join(' ')})`
}
