/**
 * Layers: functions on images that make their own variables under `name`. Kernels are [KH,KW,C,F], depthwise [KH,KW,C,1], dense [in,out].
 * Initial values are those of the EfficientNet reference: variance scaling over fan-out.
 */
import { builderOf, isValue, joinPath } from './build.ts'
import { EffuseError, showGiven } from './diagnostics.ts'
import type { ConvOptions } from './emitter.ts'
import { mean, mul, reshape, sigmoid } from './functions.ts'
import type { Initializer } from './initializers.ts'
import type { Padding, Pair } from './signatures.ts'
import { type Float, showType } from './types.ts'
import type { Image, Value } from './value.ts'

/** He et al. 2015 over fan-out, truncated normal: what the reference uses for every convolution. */
export const convInitializer: Initializer = {
  kind: 'varianceScaling',
  scale: 2,
  mode: 'fanOut',
  distribution: 'truncatedNormal',
}
export const denseInitializer: Initializer = {
  kind: 'varianceScaling',
  scale: 1 / 3,
  mode: 'fanOut',
  distribution: 'uniform',
}

interface Named {
  /** Path of the layer; its variables are `name/kernel`, `name/bias` … */
  readonly name: string
}
interface Window {
  readonly kernel: Pair | number
  /** Default 1. */
  readonly strides?: Pair | number | undefined
  /** Default 'same', as TensorFlow pads. */
  readonly padding?: Padding | undefined
  readonly dilations?: Pair | number | undefined
  /** A bias per channel; default false, since a norm usually follows. */
  readonly bias?: boolean | undefined
  readonly init?: Initializer | undefined
}
export interface Conv2dOptions extends Named, Window {
  readonly filters: number
}
export interface DepthwiseConv2dOptions extends Named, Window {}
export interface BatchNormOptions extends Named {
  /** Weight of the old statistics; default 0.99. */
  readonly momentum?: number | undefined
  /** Default 1e-3. */
  readonly epsilon?: number | undefined
}
export interface DenseOptions extends Named {
  readonly units: number
  readonly bias?: boolean | undefined
  readonly init?: Initializer | undefined
}

const layer = (kind: string, x: Value, name: unknown, rank: number, body: () => Value): Value => {
  const b = isValue(x) ? builderOf(x) : null
  if (b === null) {
    throw new EffuseError({
      code: 'EF101',
      message: `nn.${kind}: a tensor of the graph is needed, got ${x === null ? 'null' : typeof x}`,
      hint: 'layers take what graph() hands to its body, and what ops return',
    })
  }
  if (typeof name !== 'string' || name === '') {
    throw new EffuseError({
      code: 'EF111',
      path: b.path,
      message: `nn.${kind}: a layer with variables needs a name, got ${showGiven(name)}`,
      hint: `nn.${kind}(x, { name: 'stem/conv', … })`,
    })
  }
  const path = joinPath(b.path, name)
  if (x.shape.length !== rank) {
    throw new EffuseError({
      code: 'EF101',
      path,
      message: `${path}: nn.${kind} takes a tensor of rank ${rank}, got ${showType(x)}`,
      hint: rank === 4 ? 'images are [batch, height, width, channels]' : undefined,
    })
  }
  return b.scope(name, body)
}

/** A size that the caller states; said by its own name, not by the shape of the variable that it ends up in. */
const count = (x: Value, what: string, value: unknown): number => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  const { path } = builderOf(x)
  throw new EffuseError({
    code: 'EF111',
    path,
    message: `${path}: ${what} must be a positive integer, got ${showGiven(value)}`,
  })
}
const kernelSize = (x: Value, kernel: Pair | number): Pair => {
  const [height, width]: readonly unknown[] = Array.isArray(kernel) ? kernel : [kernel, kernel]
  return [count(x, 'kernel', height), count(x, 'kernel', width)]
}

const convOptions = ({ strides, padding, dilations }: Window): ConvOptions => ({ strides, padding, dilations })

const withBias = (x: Value, y: Value, bias: boolean | undefined): Value => {
  if (bias !== true) return y
  const b = builderOf(x)
  return b.add(y, b.variable('bias', { shape: y.shape.slice(-1), dtype: x.dtype }))
}

/** Convolution: x [N,H,W,C] -> [N,H2,W2,filters]. Variables `kernel` [KH,KW,C,F] and, where asked for, `bias` [F]. */
export const conv2d = <D extends Float>(x: Image<D>, options: Conv2dOptions): Image<D> =>
  layer('conv2d', x, options.name, 4, () => {
    const b = builderOf(x)
    const [kh, kw] = kernelSize(x, options.kernel)
    const kernel = b.variable('kernel', {
      shape: [kh, kw, x.shape[3] ?? 0, count(x, 'filters', options.filters)],
      dtype: x.dtype,
      init: options.init ?? convInitializer,
    })
    return withBias(x, b.conv2d(x, kernel, convOptions(options)), options.bias)
  }) as Image<D>

/** Depthwise convolution: x [N,H,W,C] -> [N,H2,W2,C]. Variables `kernel` [KH,KW,C,1] and, where asked for, `bias` [C]. */
export const depthwiseConv2d = <D extends Float>(x: Image<D>, options: DepthwiseConv2dOptions): Image<D> =>
  layer('depthwiseConv2d', x, options.name, 4, () => {
    const b = builderOf(x)
    const [kh, kw] = kernelSize(x, options.kernel)
    const kernel = b.variable('kernel', {
      shape: [kh, kw, x.shape[3] ?? 0, 1],
      dtype: x.dtype,
      init: options.init ?? convInitializer,
    })
    return withBias(x, b.depthwiseConv2d(x, kernel, convOptions(options)), options.bias)
  }) as Image<D>

/** Batch normalisation over the last axis. Variables `scale`, `offset` and, not trainable, `mean`, `variance` [C]. */
export const batchNorm = <D extends Float, R extends number>(x: Value<D, R>, options: BatchNormOptions): Value<D, R> =>
  layer('batchNorm', x, options.name, x?.shape?.length, () => {
    const b = builderOf(x)
    const shape = x.shape.slice(-1)
    const scale = b.variable('scale', { shape, init: { kind: 'ones' } })
    const offset = b.variable('offset', { shape })
    const moving = b.variable('mean', { shape, trainable: false })
    const spread = b.variable('variance', { shape, trainable: false, init: { kind: 'ones' } })
    return b.emit1('batchNorm', [x, scale, offset, moving, spread], {
      epsilon: options.epsilon ?? 1e-3,
      momentum: options.momentum ?? 0.99,
    })
  }) as Value<D, R>

/** Fully connected: x [N,in] -> [N,units]. Variables `kernel` [in,units] and, unless refused, `bias` [units]. */
export const dense = <D extends Float>(x: Value<D, 2>, options: DenseOptions): Value<D, 2> =>
  layer('dense', x, options.name, 2, () => {
    const b = builderOf(x)
    const kernel = b.variable('kernel', {
      shape: [x.shape[1] ?? 0, count(x, 'units', options.units)],
      dtype: x.dtype,
      init: options.init ?? denseInitializer,
    })
    return withBias(x, b.matmul(x, kernel), options.bias ?? true)
  }) as Value<D, 2>

export interface SqueezeExciteOptions extends Named {
  /** Channels between the two convolutions. */
  readonly reduced: number
  /** Between them. */
  readonly activation: <D extends Float, R extends number>(x: Value<D, R>) => Value<D, R>
}
/** Squeeze and excite (Hu et al. 2017): x times a sigmoid gate per channel, made of the means over height and width. */
export const squeezeExcite = <D extends Float>(
  x: Image<D>,
  { name, reduced, activation }: SqueezeExciteOptions,
): Image<D> =>
  layer('squeezeExcite', x, name, 4, () => {
    const [n = 1, , , channels = 1] = x.shape
    const squeezed = reshape(mean(x, [1, 2]), [n, 1, 1, channels])
    const inner = activation(
      conv2d(squeezed, { name: 'reduce', filters: count(x, 'reduced', reduced), kernel: 1, bias: true }),
    )
    return mul(x, sigmoid(conv2d(inner, { name: 'expand', filters: channels, kernel: 1, bias: true })))
  }) as Image<D>
