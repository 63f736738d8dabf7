/**
 * Resizing in plain JavaScript, separably: each output pixel is a weighted mean of a run of input pixels, first along rows, then along
 * columns. What the filters mean; resize.ts leaves shrinking large photographs to sharp.
 */

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

/** For each output pixel the first input pixel and `count` weights, which add up to 1. */
interface Taps {
  readonly first: Int32Array
  readonly count: number
  readonly weights: Float64Array
}

/** The picture at another size, [height, width, channels], not rounded. */
export const resample = (
  source: PixelGrid,
  [height, width]: readonly [number, number],
  filter: ResizeFilter,
): Float32Array<ArrayBuffer> => {
  const { channels } = source
  const down = tapsOf(source.height, height, filter)
  const narrowed = alongRows(source, width, tapsOf(source.width, width, filter), rowsUsed(source.height, down))
  const out = new Float32Array(height * width * channels)
  const stride = width * channels
  for (let y = 0; y < height; y++) {
    for (let t = 0; t < down.count; t++) {
      const weight = down.weights[y * down.count + t] as number // `count` weights for each pixel
      if (weight === 0) continue
      const from = ((down.first[y] as number) + t) * stride // as many first pixels as pixels
      for (let i = 0; i < stride; i++)
        out[y * stride + i] = (out[y * stride + i] as number) + weight * (narrowed[from + i] as number)
    }
  }
  return out
}

/** To the nearest bytes, as an array of clamped bytes does it natively. */
export const rounded = (values: Float32Array): Uint8Array<ArrayBuffer> =>
  new Uint8Array(new Uint8ClampedArray(values).buffer)

const tapsOf = (from: number, to: number, filter: ResizeFilter): Taps =>
  filter === 'triangle' ? triangleTaps(from, to) : bilinearTaps(from, to)

const triangleTaps = (from: number, to: number): Taps => {
  const scale = from / to
  const reach = Math.max(1, scale)
  const count = Math.min(from, Math.ceil(2 * reach) + 1)
  const [first, weights] = [new Int32Array(to), new Float64Array(to * count)]
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale
    const start = Math.max(0, Math.min(from - count, Math.floor(centre - reach)))
    const values = Array.from({ length: count }, (_, t) => Math.max(0, 1 - Math.abs(start + t + 0.5 - centre) / reach))
    const sum = values.reduce((a, b) => a + b, 0) // less than usual at the edges
    first[i] = start
    weights.set(
      values.map((value) => value / sum),
      i * count,
    )
  }
  return { first, count, weights }
}

const bilinearTaps = (from: number, to: number): Taps => {
  const count = Math.min(2, from)
  const [first, weights] = [new Int32Array(to), new Float64Array(to * count)]
  for (let i = 0; i < to; i++) {
    const place = Math.min((i * from) / to, from - 1) // right of the last pixel there is none to mix with
    const start = Math.max(0, Math.min(Math.floor(place), from - count))
    first[i] = start
    weights[i * count] = 1 - (place - start)
    if (count === 2) weights[i * count + 1] = place - start
  }
  return { first, count, weights }
}

/** Which rows the columns' taps look at: a bilinear filter passes over most of a large picture. */
const rowsUsed = (height: number, { first, count, weights }: Taps): Uint8Array => {
  const used = new Uint8Array(height)
  first.forEach((start, i) => {
    for (let t = 0; t < count; t++) if (weights[i * count + t] !== 0) used[start + t] = 1
  })
  return used
}

const alongRows = (source: PixelGrid, width: number, taps: Taps, used: Uint8Array): Float32Array => {
  const { channels, data } = source
  const out = new Float32Array(source.height * width * channels)
  for (let y = 0; y < source.height; y++) {
    if (used[y] === 0) continue
    for (let x = 0; x < width; x++) {
      const from = (y * source.width + (taps.first[x] as number)) * channels // as many first pixels as pixels
      const to = (y * width + x) * channels
      for (let c = 0; c < channels; c++) {
        let sum = 0
        for (let t = 0; t < taps.count; t++)
          sum += (taps.weights[x * taps.count + t] as number) * (data[from + t * channels + c] as number)
        out[to + c] = sum
      }
    }
  }
  return out
}
