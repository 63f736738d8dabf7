/**
 * Initial values of variables: descriptions as plain data, and their values. The host computes them in float64 and rounds them to float32. Normal
 * distributions use the inverse CDF with one uniform number per element, without rejection, so a value depends on seed, name and element alone.
 */
import { inverseNormal } from './inverse-normal.ts'
import { philox4x32, streamKey } from './philox.ts'

export type Initializer =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'uniform'; readonly min: number; readonly max: number }
  | { readonly kind: 'normal'; readonly stddev: number }
  /** The initial values of another variable. Moving averages start with those of the averaged variable. */
  | { readonly kind: 'sameAs'; readonly name: string; readonly init: Initializer }
  | {
      /** Keras' VarianceScaling: variance = scale / fan. */
      readonly kind: 'varianceScaling'
      readonly scale: number
      readonly mode: 'fanIn' | 'fanOut' | 'fanAverage'
      readonly distribution: 'truncatedNormal' | 'normal' | 'uniform'
    }

export interface InitialPosition {
  readonly seed: number
  /** The variable's name. */
  readonly name: string
}

/** Values in row-major order for a variable of `shape`. */
export const initialValues = (
  init: Initializer,
  shape: readonly number[],
  position: InitialPosition,
): Float32Array<ArrayBuffer> => {
  const values = new Float32Array(shape.reduce((a, b) => a * b, 1))
  switch (init.kind) {
    case 'zeros':
      return values
    case 'ones':
      return values.fill(1)
    case 'constant':
      return values.fill(init.value)
    case 'uniform':
      return drawn(values, position, (u) => init.min + (init.max - init.min) * u)
    case 'normal':
      return drawn(values, position, (u) => init.stddev * inverseNormal(u))
    case 'sameAs':
      return initialValues(init.init, shape, { ...position, name: init.name })
    case 'varianceScaling': {
      const variance = init.scale / Math.max(1, fanOf(shape, init.mode))
      if (init.distribution === 'uniform') {
        const limit = Math.sqrt(3 * variance)
        return drawn(values, position, (u) => limit * (2 * u - 1))
      }
      const deviation = Math.sqrt(variance)
      if (init.distribution === 'normal') return drawn(values, position, (u) => deviation * inverseNormal(u))
      // Truncated at two standard deviations; the factor corrects the deviation of the truncated distribution.
      return drawn(
        values,
        position,
        (u) => (deviation / truncatedDeviation) * inverseNormal(truncatedLow + u * (1 - 2 * truncatedLow)),
      )
    }
  }
}

/** Standard deviation of a standard normal variable truncated at -2 and 2, as in Keras. */
const truncatedDeviation = 0.8796256610342398
/** P(X < -2). */
const truncatedLow = 0.02275013194817921

/** Fans as in Keras: all axes except the last two are the receptive field. Kernels [KH,KW,C,F], depthwise [KH,KW,C,1], dense [in,out]. */
export const fanOf = (shape: readonly number[], mode: 'fanIn' | 'fanOut' | 'fanAverage'): number => {
  const [fanIn, fanOut] = fans(shape)
  return mode === 'fanIn' ? fanIn : mode === 'fanOut' ? fanOut : (fanIn + fanOut) / 2
}

const fans = (shape: readonly number[]): readonly [number, number] => {
  const [last, before] = [shape.at(-1) ?? 1, shape.at(-2)]
  if (before === undefined) return [last, last]
  const field = shape.slice(0, -2).reduce((a, b) => a * b, 1)
  return [field * before, field * last]
}

/** One uniform number in (0, 1) per element, with 53 bits from two words of the variable's stream. Never 0 or 1, whose quantiles are infinite. */
const drawn = (
  values: Float32Array<ArrayBuffer>,
  { seed, name }: InitialPosition,
  transform: (u: number) => number,
): Float32Array<ArrayBuffer> => {
  const words = new Uint32Array(4)
  // A prefix, so that the key differs from that of a run's random stream with the same name.
  const key = streamKey(`initial/${name}`)
  for (let block = 0; block * 2 < values.length; block++) {
    philox4x32(block, 0, 0, 0, seed, key, words)
    for (let half = 0; half < 2 && block * 2 + half < values.length; half++) {
      const high = (words[half * 2] as number) >>> 6
      const low = (words[half * 2 + 1] as number) >>> 6
      values[block * 2 + half] = transform((high * 2 ** 26 + low + 0.5) * 2 ** -52)
    }
  }
  return values
}
