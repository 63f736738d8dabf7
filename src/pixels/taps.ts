/** Computes the input pixels of each output pixel, and their weights. */

/** Output pixel i combines `counts[i]` input pixels from `first[i]` on. Their weights are at `i * stride` and add up to about 2^22. */
export interface Taps {
  readonly first: Int32Array
  readonly counts: Int32Array
  /** The number of stored weights per output pixel, including unused ones. */
  readonly stride: number
  /** In units of 2^-22. */
  readonly weights: Int32Array
}

/** Fractional bits of a weight, as in Pillow: 255 times the sum of weights stays below 2^31. */
export const precisionBits = 22
/** The weight 1. A constant, because engines compute a power on every use. */
const one = 2 ** precisionBits

/**
 * The triangle's weights as in Pillow (src/libImaging/Resample.c, precompute_coeffs and normalize_coeffs_8bpc): computed in floating point, then
 * rounded to multiples of 2^-22.
 *
 * @param isMirrored Reverses the order of the output pixels.
 */
export const triangleTaps = (from: number, to: number, isMirrored = false): Taps => {
  const scale = from / to
  const reach = Math.max(1, scale)
  const stride = Math.ceil(reach) * 2 + 1
  const taps = { first: new Int32Array(to), counts: new Int32Array(to), stride, weights: new Int32Array(to * stride) }
  const values = new Float64Array(stride)
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale
    const start = Math.max(0, Math.trunc(centre - reach + 0.5))
    const count = Math.min(from, Math.trunc(centre + reach + 0.5)) - start
    let sum = 0 // smaller at the edges
    for (let t = 0; t < count; t++) {
      const value = Math.max(0, 1 - Math.abs((t + start - centre + 0.5) * (1 / reach)))
      values[t] = value
      sum += value
    }
    const at = isMirrored ? to - 1 - i : i
    taps.first[at] = start
    taps.counts[at] = count
    for (let t = 0; t < count; t++)
      taps.weights[at * stride + t] = Math.trunc(0.5 + ((values[t] as number) / sum) * one) // `count` values were set
  }
  return taps
}

/** For output pixel i: input pixels `low[i]` and `high[i]`, and the weight of the second. */
export interface Pairs {
  readonly low: Int32Array
  readonly high: Int32Array
  readonly weight: Float64Array
}

/** The reference's filter: the two pixels around `i * from / to`. */
export const bilinearPairs = (from: number, to: number): Pairs => {
  const pairs = { low: new Int32Array(to), high: new Int32Array(to), weight: new Float64Array(to) }
  for (let i = 0; i < to; i++) {
    const place = (i * from) / to
    pairs.low[i] = Math.floor(place)
    pairs.high[i] = Math.min(Math.floor(place) + 1, from - 1) // the last pixel has no right neighbour
    pairs.weight[i] = place - Math.floor(place)
  }
  return pairs
}
