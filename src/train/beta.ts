/** Draws from a Beta distribution by Philox, for mixup. Seed, epoch, batch and row determine each number. */
import { inverseNormal } from '../ir/inverse-normal.ts'
import { philox4x32, streamKey } from '../ir/philox.ts'

export interface DrawPosition {
  readonly seed: number
  readonly stream: string
  readonly epoch: number
  readonly batch: number
  readonly row: number
}

/** Uniform numbers strictly between 0 and 1, one after another. */
const uniforms = ({ seed, stream, epoch, batch, row }: DrawPosition): (() => number) => {
  const key = streamKey(stream)
  const words = new Uint32Array(4)
  let drawn = 0
  return () => {
    if (drawn % 4 === 0) philox4x32(drawn / 4, row, batch, epoch, seed, key, words)
    return ((words[drawn++ % 4] as number) + 0.5) / 2 ** 32 // the lane is in range
  }
}

/**
 * One number of Beta(alpha, alpha): the share of one of two Gamma variates, by Marsaglia and Tsang's method (ACM TOMS 26, 2000), with their
 * boost for shapes below 1. It computes with logarithms, because for small alpha both variates may underflow.
 *
 * @param alpha Above 0. Small values give numbers near 0 or 1.
 */
export const drawBeta = (alpha: number, position: DrawPosition): number => {
  const next = uniforms(position)
  const [a, b] = [logGamma(alpha, next), logGamma(alpha, next)]
  return 1 / (1 + Math.exp(b - a))
}

const logGamma = (shape: number, next: () => number): number => {
  if (shape < 1) {
    const boost = Math.log(next()) / shape
    return logGamma(shape + 1, next) + boost
  }
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = inverseNormal(next())
    const v = (1 + c * x) ** 3
    const u = next()
    if (v > 0 && Math.log(u) < 0.5 * x * x + d * (1 - v + Math.log(v))) return Math.log(d * v)
  }
}
