/**
 * Resizing, separably: each output pixel is a weighted mean of a run of input pixels, first along rows, then along columns. The same
 * numbers in Node and in browsers; and with the triangle filter those of Pillow, to the bit.
 */
import type { Box } from './box.ts'
import { plainTriangle } from './resample-plain.ts'
import { fastTriangle } from './resample-fast.ts'
import { bilinearPairs, type Pairs, type Taps, triangleTaps } from './taps.ts'

/**
 * How pictures are resized.
 * - `triangle`: weights fall linearly from the pixel's centre; where it shrinks, over as many pixels as one output pixel covers, so nothing
 *   is left out. What Pillow and torchvision call bilinear, and TensorFlow `antialias=True`.
 * - `bilinear`: the four pixels around `output * input size / output size`, whatever lies between: `tf.compat.v1.image.resize`, which the
 *   reference trains and evaluates with. Its corner, not its centre, is the pixel's place; so says the reference, `align_corners=False` of v1.
 */
export type ResizeFilter = 'triangle' | 'bilinear'

/** Rows, row-major [height, width, channels]. */
export interface PixelGrid {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

/** What a filter that resizes in whole numbers is given. */
export interface TriangleJob {
  readonly source: PixelGrid
  readonly box: Box
  /** Of a row of the result. */
  readonly across: Taps
  /** Of a column of the result. */
  readonly down: Taps
}

export interface ResizeOptions {
  readonly filter: ResizeFilter
  /** Left and right exchanged. Default false. */
  readonly isMirrored?: boolean | undefined
}

/** A part of a picture at another size, [height, width, channels]. Nothing outside of the box has any weight. */
export const resized = (
  source: PixelGrid,
  box: Box,
  [height, width]: readonly [number, number],
  { filter, isMirrored = false }: ResizeOptions,
): Uint8Array<ArrayBuffer> => {
  if (filter === 'bilinear') return bilinear(source, box, [height, width], isMirrored)
  const job = {
    source,
    box,
    across: triangleTaps(box.width, width, isMirrored),
    down: triangleTaps(box.height, height),
  }
  return fastTriangle(job) ?? plainTriangle(job)
}

/** Mirrored first, as the reference does it: the filter gives another picture the other way round. */
const bilinear = (
  { channels, data, width: pictureWidth }: PixelGrid,
  { left, top, width: boxWidth, height: boxHeight }: Box,
  [height, width]: readonly [number, number],
  isMirrored: boolean,
): Uint8Array<ArrayBuffer> => {
  const [across, down] = [bilinearPairs(boxWidth, width), bilinearPairs(boxHeight, height)]
  const columns = ({ low, high }: Pairs): readonly (readonly [number, number])[] =>
    Array.from(low, (column, x) => {
      const pair = [column, high[x] as number] as const // one of each for every pixel
      const [a, b] = isMirrored ? pair.map((place) => boxWidth - 1 - place) : pair
      return [(left + (a as number)) * channels, (left + (b as number)) * channels] // of two
    })
  const places = columns(across)
  const out = new Uint8ClampedArray(height * width * channels) // rounds natively
  let to = 0
  for (let y = 0; y < height; y++) {
    const upper = (top + (down.low[y] as number)) * pictureWidth * channels // one of each for every row
    const lower = (top + (down.high[y] as number)) * pictureWidth * channels
    const v = down.weight[y] as number
    for (let x = 0; x < width; x++) {
      const [a, b] = places[x] as readonly [number, number]
      const u = across.weight[x] as number
      for (let c = 0; c < channels; c++) {
        const above = (1 - u) * (data[upper + a + c] as number) + u * (data[upper + b + c] as number) // within the box
        const below = (1 - u) * (data[lower + a + c] as number) + u * (data[lower + b + c] as number)
        out[to++] = (1 - v) * above + v * below
      }
    }
  }
  return new Uint8Array(out.buffer)
}
