/** Functions that networks are made of, without variables of their own: products, normalised exponentials, pooling, dropout. */
import { builderOf } from '../build.ts'
import { pairOf } from '../emitter.ts'
import type { Padding, Pair } from '../signatures.ts'
import type { Float } from '../types.ts'
import type { Image, Value } from '../value.ts'
import { axisOf, emitterOf } from './shared.ts'

export interface MatmulOptions {
  /** Default false: a is [...,M,K]. */
  readonly transposeA?: boolean | undefined
  /** Default false: b is [...,K,N]. */
  readonly transposeB?: boolean | undefined
}
/** Matrix product over the last two axes. */
export const matmul = <D extends Float, R extends number>(
  a: Value<D, R>,
  b: Value<NoInfer<D>, NoInfer<R>>,
  options: MatmulOptions = {},
): Value<D, R> => {
  emitterOf('matmul', b)
  return emitterOf('matmul', a).matmul(a, b, {
    transposeA: options.transposeA ?? false,
    transposeB: options.transposeB ?? false,
  }) as Value<D, R>
}
/** exp(x) over its sum along an axis (default: the last). */
export const softmax = <D extends Float, R extends number>(x: Value<D, R>, axis = -1): Value<D, R> =>
  emitterOf('softmax', x).softmax(x, axisOf('softmax', x, axis)) as Value<D, R>
/** log(softmax(x)), without overflow. */
export const logSoftmax = <D extends Float, R extends number>(x: Value<D, R>, axis = -1): Value<D, R> =>
  emitterOf('logSoftmax', x).logSoftmax(x, axisOf('logSoftmax', x, axis)) as Value<D, R>

export interface PoolOptions {
  readonly window: Pair | number
  /** Default: the window. */
  readonly strides?: Pair | number | undefined
  /** Default 'valid'. */
  readonly padding?: Padding | undefined
}
const pooling =
  (op: 'maxPool2d' | 'avgPool2d') =>
  <D extends Float>(x: Image<D>, options: PoolOptions): Image<D> => {
    const { window, strides, padding } = options ?? ({} as PoolOptions) // the op says what is missing
    return emitterOf(op, x).emit1(op, [x], {
      window: pairOf(window),
      strides: pairOf(strides ?? window),
      padding: padding ?? 'valid',
    }) as Image<D>
  }
/** Largest element of each window of an image [N,H,W,C]. */
export const maxPool2d: <D extends Float>(x: Image<D>, options: PoolOptions) => Image<D> = pooling('maxPool2d')
/** Mean of each window of an image; padding does not count. */
export const avgPool2d: <D extends Float>(x: Image<D>, options: PoolOptions) => Image<D> = pooling('avgPool2d')
/** Mean over height and width: [N,H,W,C] -> [N,C]. */
export const globalAveragePool2d = <D extends Float>(x: Image<D>): Value<D, 2> =>
  emitterOf('globalAveragePool2d', x).mean(x, [1, 2]) as Value<D, 2>

export interface DropoutOptions {
  /** Share that is dropped in training, from 0 to below 1. */
  readonly rate: number
  /** 'sample': whole samples, as stochastic depth does. */
  readonly per?: 'element' | 'sample' | undefined
}
/** Dropout; the identity in inference. */
export const dropout = <D extends Float, R extends number>(x: Value<D, R>, options: DropoutOptions): Value<D, R> => {
  const { rate, per } = options ?? ({} as DropoutOptions) // the op says what is missing
  return emitterOf('dropout', x).emit1('dropout', [x], {
    rate,
    per: per ?? 'element',
    stream: builderOf(x).stream(),
  }) as Value<D, R>
}
