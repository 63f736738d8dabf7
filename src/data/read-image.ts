/** Reads one picture from a file, for prediction. Node only. */
import { type Check, checkPresent, checkRecord } from '../ir/check-record.ts'
import { boxFor } from '../pixels/box.ts'
import { readingChecks, readingOf, type ReadingOptions, readPicture } from './read-picture.ts'
import { withChannels } from '../pixels/grey.ts'
import { pictureChecks, type PictureOptions } from '../pixels/picture-options.ts'
import { resized } from '../pixels/resample.ts'

export interface ReadImageOptions extends ReadingOptions, PictureOptions {
  /** Height and width of the result. */
  readonly size: number | readonly [number, number]
  /**
   * 'center' (default): the central square, size / (size + 32) of the shorter side as in the reference's evaluation, at least 7/8 of it, and all of it
   * up to 64 pixels; 'none': the whole picture, with another aspect ratio if necessary.
   */
  readonly crop?: 'center' | 'none' | undefined
}

const checks: { readonly [K in keyof Required<ReadImageOptions>]: Check } = {
  ...pictureChecks,
  ...readingChecks,
}

/**
 * A picture for a network: RGB, 0 to 255, row-major [height, width, 3], or grey [height, width, 1] with `channels: 1`. The values are those in the
 * file, without colour profiles; grey is repeated, transparency is dropped, the orientation is applied. The triangle filter averages when it shrinks.
 *
 * @throws EffuseError EF501 (no such file), EF506 (not a picture, damaged, too large, too slow), EF404 (sharp is not installed), EF403 (options).
 * @example
 * const { probabilities } = await net.run({ image: await readImage('cat.jpg', { size: 224 }) })
 */
export const readImage = async (path: string, options: ReadImageOptions): Promise<Uint8Array<ArrayBuffer>> => {
  checkRecord('readImage()', '', options, checks)
  checkPresent('readImage()', options, { size: checks.size })
  const { size, crop = 'center', filter = 'triangle', channels = 3 } = options
  const [height, width] = typeof size === 'number' ? [size, size] : size
  const picture = await readPicture(path, readingOf(options))
  const box = boxFor(crop, picture.width, picture.height, Math.max(height, width))
  return withChannels(resized(picture, box, [height, width], { filter }), channels)
}
