/** Pictures from files, decoded by sharp (an optional package). Node only. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EffuseError } from '../ir/diagnostics.ts'

export interface ReadImageOptions {
  /** Height and width of the result. */
  readonly size: number | readonly [number, number]
  /** 'center' (default): the central square of size / (size + 32) of the shorter side, as the reference evaluates; 'none': the whole picture, squeezed. */
  readonly crop?: 'center' | 'none' | undefined
}

/**
 * A picture as the network takes it: RGB, 0 to 255, row-major [height, width, 3]. Grey pictures are repeated, transparency is dropped,
 * the camera's orientation applied. Resized with a triangle filter, which averages where it shrinks.
 *
 * @throws EffuseError EF501 (no such file), EF506 (no picture, or damaged), EF404 (sharp is not installed).
 * @example
 * const { probabilities } = await net.run({ image: await readImage('cat.jpg', { size: 224 }) })
 */
export const readImage = async (
  path: string,
  { size, crop = 'center' }: ReadImageOptions,
): Promise<Uint8Array<ArrayBuffer>> => {
  const [height, width] = typeof size === 'number' ? [size, size] : size
  const bytes = await bytesOf(path)
  const sharp = await loadSharp()
  try {
    // Rotated pixels first: extract() would otherwise cut before the orientation is applied.
    const upright = sharp(bytes, { failOn: 'error' }).rotate()
    const { data, info } = await upright.toColourspace('srgb').removeAlpha().raw().toBuffer({ resolveWithObject: true })
    let picture = sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } })
    if (crop === 'center') picture = picture.extract(centre(info.width, info.height, Math.max(height, width)))
    const resized = await picture
      .resize(width, height, { kernel: 'linear', fit: 'fill' })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true })
    return rgb(resized.data, resized.info.channels)
  } catch (error) {
    throw new EffuseError({
      code: 'EF506',
      message: `${path} cannot be decoded as a picture: it ${looksLike(bytes)}; ${error instanceof Error ? error.message : String(error)}`,
      hint: 'JPEG, PNG, WebP, GIF, TIFF and AVIF are read, whatever the name ends in',
      cause: error,
    })
  }
}

const centre = (
  width: number,
  height: number,
  size: number,
): { readonly left: number; readonly top: number; readonly width: number; readonly height: number } => {
  const side = Math.max(1, Math.floor((size / (size + 32)) * Math.min(width, height)))
  return {
    left: Math.floor((width - side + 1) / 2),
    top: Math.floor((height - side + 1) / 2),
    width: side,
    height: side,
  }
}

const rgb = (data: Uint8Array, channels: number): Uint8Array<ArrayBuffer> => {
  if (channels === 3) return new Uint8Array(data)
  return Uint8Array.from(
    { length: (data.length / channels) * 3 },
    (_, i) => data[Math.floor(i / 3) * channels] as number,
  ) // grey
}

const bytesOf = async (path: string): Promise<Uint8Array> => {
  try {
    return await readFile(path)
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    const what =
      reason === 'ENOENT'
        ? 'there is no such file'
        : reason === 'EISDIR'
          ? 'it is a folder'
          : reason === 'EACCES'
            ? 'you may not read it'
            : reason
    throw new EffuseError({ code: 'EF501', message: `${path} cannot be read: ${what}`, cause: error })
  }
}

type Sharp = typeof import('sharp').default
const loadSharp = async (): Promise<Sharp> => {
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

const extensions = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i

/**
 * The pictures that paths stand for: files as they are, folders by the pictures in them (sorted, folders inside included).
 * @throws EffuseError EF501 (no such path), EF507 (a folder without pictures).
 */
export const listImages = async (paths: readonly string[]): Promise<readonly string[]> => {
  const all: string[] = []
  for (const path of paths) {
    const isFolder = await stat(path).then(
      (s) => s.isDirectory(),
      () => null,
    )
    if (isFolder === null)
      throw new EffuseError({ code: 'EF501', message: `${path} cannot be read: there is no such file` })
    if (!isFolder) {
      all.push(path)
      continue
    }
    const inside = await picturesIn(path)
    if (inside.length === 0)
      throw new EffuseError({
        code: 'EF507',
        message: `the folder ${path} holds no pictures`,
        hint: 'names ending in .jpg, .png, .webp, .gif, .tiff or .avif are looked for',
      })
    all.push(...inside)
  }
  return all
}

/** Folders may have names like pictures; a folder that cannot be read is an error, not an empty one. */
const picturesIn = async (folder: string): Promise<readonly string[]> => {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => !entry.isDirectory() && extensions.test(entry.name))
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .sort()
  } catch (error) {
    throw new EffuseError({
      code: 'EF501',
      message: `the folder ${folder} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      cause: error,
    })
  }
}
