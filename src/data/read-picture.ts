/** Reads a picture file, within limits that the caller can set. */
import { readFileSync, statSync } from 'node:fs'
import { type Check, count } from '../ir/check-record.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { readFile } from '../platform/node.ts'
import { fileError } from '../platform/node-file-error.ts'
import { decode, type PartOf } from './decode.ts'
import type { JpegDecoder } from './libjpeg-turbo.ts'
import { type Colours, type Decoded, decodeDefaults, type DecodeOptions } from './picture.ts'

/** Options for reading files. */
export interface ReadingOptions {
  /** 'stored' (default): the values in the file, without its colour profile; 'srgb': the values converted by the profile. */
  readonly colors?: Colours | undefined
  /** The maximum number of pixels. A picture with more is rejected by its header. Default 64 megapixels. */
  readonly maxPixels?: number | undefined
  /** The maximum number of bytes of a file. Default 128 MiB. */
  readonly maxBytes?: number | undefined
  /** The maximum number of seconds for decoding a picture. Default 30. */
  readonly timeLimit?: number | undefined
}

export interface Reading extends DecodeOptions {
  readonly maxBytes: number
}

export const readingChecks: { readonly [K in keyof Required<ReadingOptions>]: Check } = {
  colors: ["'stored' or 'srgb'", (v) => v === 'stored' || v === 'srgb'],
  maxPixels: count,
  maxBytes: count,
  timeLimit: ['a number above 0', (v) => typeof v === 'number' && v > 0],
}

/** The options with defaults. */
export const readingOf = ({ colors, maxPixels, maxBytes, timeLimit }: ReadingOptions): Reading => ({
  colors: colors ?? decodeDefaults.colors,
  maxPixels: maxPixels ?? decodeDefaults.maxPixels,
  maxBytes: maxBytes ?? 128 * 2 ** 20,
  timeLimit: timeLimit ?? decodeDefaults.timeLimit,
})

/** How a thread reads pictures. The result does not depend on it. */
export interface Reader {
  readonly read?: ReadFile | undefined
  readonly jpeg?: JpegDecoder | null | undefined
}

interface ReadPictureOptions extends Reader {
  readonly partOf?: PartOf | undefined
}

/**
 * @param options `jpeg` and `partOf` as in decode().
 * @throws EffuseError EF501 (no such file), EF506 (not a picture, damaged, too large, too slow), EF404 (sharp is not installed)
 */
export const readPicture = async (
  path: string,
  reading: Reading,
  { read = readFile, jpeg = null, partOf }: ReadPictureOptions = {},
): Promise<Decoded> => {
  const size = sizeOf(path)
  if (size > reading.maxBytes)
    throw new EffuseError({
      code: 'EF506',
      message: `${path} has ${size} bytes, more than the ${reading.maxBytes} that a picture may have`,
      hint: 'make it smaller, or allow more with maxBytes',
    })
  return decode(await read(path), path, reading, partOf, jpeg)
}

/** The size of a file. Synchronous, because systems cache metadata and an asynchronous call takes longer. @throws EffuseError EF501 */
const sizeOf = (path: string): number => {
  try {
    return statSync(path).size
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}

/** @throws EffuseError EF501 */
export type ReadFile = (path: string) => Promise<Uint8Array>

/** Reads synchronously, for threads that may wait for the disk, which is much faster for small files. readFile() reports errors. */
export const readFileNow: ReadFile = async (path) => {
  try {
    return statSync(path).isFile() ? readFileSync(path) : await readFile(path)
  } catch (error) {
    throw fileError(error, path, 'read')
  }
}
