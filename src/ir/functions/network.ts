/** Functions for networks without variables: products, softmax, pooling, dropout. */
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
/**
 * Matrix product over the last two axes: a [...,M,K] times b [...,K,N] -> [...,M,N]; leading sizes are equal.
 *
 * @throws EffuseError EF101 (inner or leading sizes differ, dtypes differ).
 * @example
 * graph('scores', { q: float32('batch', 8), k: float32(5, 8) }, ({ q, k }) => ({ y: matmul(q, k, { transposeB: true }) })) // [batch,5]
 */
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
/**
 * exp(x) over its sum along an axis (default the last); of x's shape.
 *
 * @throws EffuseError EF101 (not a float tensor, an unknown axis).
 * @example
 * graph('probabilities', { logits: float32('batch', 10) }, ({ logits }) => ({ y: softmax(logits) }))
 */
export const softmax = <D extends Float, R extends number>(x: Value<D, R>, axis = -1): Value<D, R> =>
  emitterOf('softmax', x).softmax(x, axisOf('softmax', x, axis)) as Value<D, R>
/**
 * log(softmax(x)), without overflow, along an axis (default the last); of x's shape.
 *
 * @throws EffuseError EF101 (not a float tensor, an unknown axis).
 * @example
 * graph('logProbabilities', { logits: float32('batch', 10) }, ({ logits }) => ({ y: logSoftmax(logits) }))
 */
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
    const { window, strides, padding } = options ?? ({} as PoolOptions) // the op's error names what is missing
    return emitterOf(op, x).emit1(op, [x], {
      window: pairOf(window),
      strides: pairOf(strides ?? window),
      padding: padding ?? 'valid',
    }) as Image<D>
  }
/**
 * Largest element of each window of an image: x [N,H,W,C] -> [N,H2,W2,C], sizes as in nn.conv2d.
 *
 * @throws EffuseError EF101 (the window does not fit), EF102 (options).
 * @example
 * graph('pooled', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({ x: maxPool2d(image, { window: 2 }) })) // [batch,4,4,3]
 */
export const maxPool2d: <D extends Float>(x: Image<D>, options: PoolOptions) => Image<D> = pooling('maxPool2d')
/**
 * Mean of each window of an image: x [N,H,W,C] -> [N,H2,W2,C], sizes as in nn.conv2d; padding does not count.
 *
 * @throws EffuseError EF101 (the window does not fit), EF102 (options).
 * @example
 * graph('pooled', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({ x: avgPool2d(image, { window: 2 }) })) // [batch,4,4,3]
 */
export const avgPool2d: <D extends Float>(x: Image<D>, options: PoolOptions) => Image<D> = pooling('avgPool2d')
/**
 * Mean over height and width: [N,H,W,C] -> [N,C].
 *
 * @throws EffuseError EF101 (not an image).
 * @example
 * graph('features', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({ x: globalAveragePool2d(image) })) // [batch,3]
 */
export const globalAveragePool2d = <D extends Float>(x: Image<D>): Value<D, 2> =>
  emitterOf('globalAveragePool2d', x).mean(x, [1, 2]) as Value<D, 2>

export interface DropoutOptions {
  /** The share that training sets to 0, from 0 to below 1. */
  readonly rate: number
  /** 'sample': whole samples, as in stochastic depth. Default 'element'. */
  readonly per?: 'element' | 'sample' | undefined
}
/**
 * Dropout (Srivastava et al. 2014). Training sets a share `rate` of the elements, or of the samples (stochastic depth, Huang et al. 2016), to 0 and
 * divides the rest by 1 - rate. In inference it is the identity. x [N,...] -> [N,...].
 *
 * @throws EffuseError EF102 (rate, per).
 * @example
 * graph('dropped', { x: float32('batch', 8) }, ({ x }) => ({ y: dropout(x, { rate: 0.2 }) }))
 */
export const dropout = <D extends Float, R extends number>(x: Value<D, R>, options: DropoutOptions): Value<D, R> => {
  const { rate, per } = options ?? ({} as DropoutOptions) // the op's error names what is missing
  return emitterOf('dropout', x).emit1('dropout', [x], {
    rate,
    per: per ?? 'element',
    stream: builderOf(x).stream(),
  }) as Value<D, R>
}
