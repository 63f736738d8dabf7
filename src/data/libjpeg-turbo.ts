/**
 * Decodes common JPEGs by the C library of libjpeg-turbo, if the machine has it, through the optional package koffi. The pixels are those of sharp,
 * which contains the same decoder, but starts several threads for each picture: a picture of 500x375 takes a fourth of its processor time here.
 *
 * A call blocks its thread and cannot be interrupted, so only worker threads use it, and only for pictures of limited size.
 */
import { createRequire } from 'node:module'
import { EffuseError } from '../ir/diagnostics.ts'
import { type Box, cutBox } from '../pixels/box.ts'
import type { Picture } from './picture.ts'
import type { PictureHeader } from './picture-header.ts'

/** Returns a JPEG's pixels, or those of a part. Null if another decoder has to read the picture or to report what is wrong with it. */
export type JpegDecoder = (bytes: Uint8Array, header: PictureHeader, part: Box | null) => Picture | null

/** The environment variable with the library's path. `none`: no library is used. */
export const libraryVariable = 'EFFUSE_LIBJPEG_TURBO'

/** The names of the library's version 0, which libjpeg-turbo 1.2 to 3 have. Homebrew's folders are outside of the system's search path. */
const namesBySystem: { readonly [platform: string]: readonly string[] } = {
  linux: ['libturbojpeg.so.0'],
  darwin: ['/opt/homebrew/opt/jpeg-turbo', '/usr/local/opt/jpeg-turbo'].map((at) => `${at}/lib/libturbojpeg.0.dylib`),
  win32: ['turbojpeg.dll'],
}

/** 12 MiB of pixels, which take about 20 ms. */
const pixelsMax = 2 ** 22

/** turbojpeg.h: TJPF_RGB; TJFLAG_STOPONWARNING and TJFLAG_LIMITSCANS. Without further flags it decodes exactly (islow, smooth upsampling). */
const rgb = 0
const flags = 8192 | 32768

/**
 * The decoder of this thread; null if koffi or the library is not installed.
 *
 * @throws EffuseError EF404 if the library that the environment variable names cannot be used
 */
export const jpegDecoder = (environment: NodeJS.ProcessEnv = process.env): JpegDecoder | null => {
  const given = environment[libraryVariable]
  if (given === 'none') return null
  const names = given === undefined || given === '' ? (namesBySystem[process.platform] ?? []) : [given]
  const reasons: string[] = []
  for (const name of names)
    try {
      return decoderOf(bind(name))
    } catch (error) {
      reasons.push(error instanceof Error ? error.message : String(error))
    }
  if (given === undefined || given === '') return null
  throw new EffuseError({
    code: 'EF404',
    message: `${libraryVariable} must name libjpeg-turbo's library libturbojpeg, got ${given}: ${reasons.join('; ')}`,
    hint: `install koffi and name the library's file, or set ${libraryVariable}=none`,
  })
}

interface TurboJpeg {
  readonly create: () => unknown
  readonly destroy: (handle: unknown) => number
  readonly decompress: (
    handle: unknown,
    jpeg: Uint8Array,
    bytes: number,
    target: Uint8Array,
    width: number,
    rowBytes: number,
    height: number,
    format: number,
    flags: number,
  ) => number
}

const bind = (name: string): TurboJpeg => {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi') // require() has no types
  const library = koffi.load(name)
  return {
    create: library.func('void *tjInitDecompress()'),
    destroy: library.func('int tjDestroy(void *handle)'),
    decompress: library.func(
      'int tjDecompress2(void *handle, const uint8_t *jpeg, unsigned long bytes, uint8_t *target, int width, int rowBytes, int height, int format, int flags)',
    ),
  }
}

const decoderOf = ({ create, destroy, decompress }: TurboJpeg): JpegDecoder => {
  let scratch = new Uint8Array(0)
  return (bytes, { width, height, isCommonJpeg }, part) => {
    const size = width * height * 3
    if (!isCommonJpeg || width * height > pixelsMax) return null
    // A part is copied out at once, so all pictures can share one array, which the processor's caches then hold.
    if (part !== null && scratch.length < size) scratch = new Uint8Array(size)
    const data = part === null ? new Uint8Array(size) : scratch
    // One for each picture, because it keeps tables, with which it would decode a later picture that lacks its own.
    const handle = create()
    if (handle === null || handle === 0n) return null
    try {
      if (decompress(handle, bytes, bytes.length, data, width, 3 * width, height, rgb, flags) !== 0) return null
    } finally {
      destroy(handle)
    }
    const whole = { width, height, channels: 3, data } as const
    return part === null ? whole : { ...whole, width: part.width, height: part.height, data: cutBox(whole, part) }
  }
}
