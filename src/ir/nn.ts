/**
 * Layers: functions on values that make their variables under `name`. Kernels are [KH,KW,C,F], depthwise [KH,KW,C,1], dense [in,out].
 * Initial values are those of the EfficientNet reference: variance scaling over fan-out.
 */
import { builderOf, isValue } from './build.ts'
import { type Check, checkRecord, unchecked, flag } from './check-record.ts'
import { EffuseError, showGiven } from './diagnostics.ts'
import type { ConvOptions } from './emitter.ts'
import { mean, mul, reshape, sigmoid } from './functions.ts'
import type { Initializer } from './initializers.ts'
import { joinPath } from './places.ts'
import type { Padding, Pair } from './signatures.ts'
import { type Float, showType } from './types.ts'
import type { Image, Value } from './value.ts'

/** He et al. 2015 over fan-out, truncated normal. The reference uses it for every convolution. */
export const convInitializer: Initializer = {
  kind: 'varianceScaling',
  scale: 2,
  mode: 'fanOut',
  distribution: 'truncatedNormal',
}
/** Uniform over fan-out with scale 1/3. The reference uses it for the last layer. */
export const denseInitializer: Initializer = {
  kind: 'varianceScaling',
  scale: 1 / 3,
  mode: 'fanOut',
  distribution: 'uniform',
}

interface Named {
  /** Path of the layer, unique in the graph. Its variables are `name/kernel`, `name/bias` … */
  readonly name: string
  /** true: reuses the variables of an earlier layer of this name and kind. Default false. */
  readonly share?: boolean | undefined
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

// The functions that use a value check it; their errors have the path of the layer.
const known = (...names: readonly string[]): { readonly [name: string]: Check } => ({
  ...Object.fromEntries(['name', ...names].map((name) => [name, unchecked])),
  share: flag,
})
const windowOptions = ['kernel', 'strides', 'padding', 'dilations', 'bias', 'init']
const optionsOf: { readonly [kind: string]: { readonly [name: string]: Check } } = {
  conv2d: known('filters', ...windowOptions),
  depthwiseConv2d: known(...windowOptions),
  batchNorm: known('momentum', 'epsilon'),
  dense: known('units', 'bias', 'init'),
  squeezeExcite: known('reduced', 'activation'),
}

const layer = (kind: string, x: Value, options: Named, rank: number, body: () => Value): Value => {
  const b = isValue(x) ? builderOf(x) : null
  if (b === null) {
    throw new EffuseError({
      code: 'EF101',
      message: `nn.${kind}: a tensor of the graph is needed, got ${x === null ? 'null' : typeof x}`,
      hint: 'layers take the values that graph() passes to its body and that ops return',
    })
  }
  checkRecord(`nn.${kind}()`, '', options, optionsOf[kind] ?? {})
  const name: unknown = options.name
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
  return b.part(`nn.${kind}`, name, options.share === true, body)
}

/** Checks a size that the caller gives. The error names the option, not the shape of the variable that it determines. */
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

/**
 * Convolution: x [N,H,W,C] -> [N,H2,W2,filters], of x's dtype. Variables `kernel` [KH,KW,C,filters] and, with `bias: true`, `bias` [filters].
 * With padding 'same' H2 = ceil(H / strides), with 'valid' floor((H - (KH - 1) * dilations - 1) / strides) + 1; likewise W2.
 *
 * @throws EffuseError EF101 (x is not an image, or the window does not fit), EF102, EF111 (sizes), EF107 (the name is taken), EF403 (options).
 * @example
 * graph('stem', { image: float32('batch', 224, 224, 3) }, ({ image }) => ({
 *   x: nn.conv2d(image, { name: 'stem/conv', filters: 32, kernel: 3, strides: 2 }), // [batch,112,112,32]
 * }))
 */
export const conv2d = <D extends Float>(x: Image<D>, options: Conv2dOptions): Image<D> =>
  layer('conv2d', x, options, 4, () => {
    const b = builderOf(x)
    const [kh, kw] = kernelSize(x, options.kernel)
    const kernel = b.variable('kernel', {
      shape: [kh, kw, x.shape[3] ?? 0, count(x, 'filters', options.filters)],
      dtype: x.dtype,
      init: options.init ?? convInitializer,
    })
    return withBias(x, b.conv2d(x, kernel, convOptions(options)), options.bias)
  }) as Image<D>

/**
 * Depthwise convolution, each channel separately: x [N,H,W,C] -> [N,H2,W2,C], sizes as in `conv2d`. Variables `kernel` [KH,KW,C,1] and, with
 * `bias: true`, `bias` [C].
 *
 * @throws EffuseError EF101 (x is not an image, or the window does not fit), EF102, EF111 (sizes), EF107 (the name is taken), EF403 (options).
 * @example
 * graph('depthwise', { image: float32('batch', 8, 8, 3) }, ({ image }) => ({
 *   x: nn.depthwiseConv2d(image, { name: 'depthwise', kernel: 5, bias: true }), // [batch,8,8,3]
 * }))
 */
export const depthwiseConv2d = <D extends Float>(x: Image<D>, options: DepthwiseConv2dOptions): Image<D> =>
  layer('depthwiseConv2d', x, options, 4, () => {
    const b = builderOf(x)
    const [kh, kw] = kernelSize(x, options.kernel)
    const kernel = b.variable('kernel', {
      shape: [kh, kw, x.shape[3] ?? 0, 1],
      dtype: x.dtype,
      init: options.init ?? convInitializer,
    })
    return withBias(x, b.depthwiseConv2d(x, kernel, convOptions(options)), options.bias)
  }) as Image<D>

/**
 * Batch normalisation (Ioffe and Szegedy 2015) of the last axis: x [...,C] -> [...,C]. Training uses the batch's statistics, inference the moving
 * ones. Variables, all float32 [C]: `scale`, `offset` and, not trainable, `mean`, `variance`.
 *
 * @throws EffuseError EF101 (x is not a float tensor), EF102 (momentum, epsilon), EF107 (the name is taken), EF403 (options).
 * @example
 * graph('normed', { x: float32('batch', 8, 8, 3) }, ({ x }) => ({ y: relu(nn.batchNorm(x, { name: 'bn', momentum: 0.9 })) }))
 */
export const batchNorm = <D extends Float, R extends number>(x: Value<D, R>, options: BatchNormOptions): Value<D, R> =>
  layer('batchNorm', x, options, x?.shape?.length, () => {
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

/**
 * Fully connected: x [N,in] -> [N,units], x times `kernel` [in,units] plus, unless `bias` is false, `bias` [units].
 *
 * @throws EffuseError EF101 (x is not a matrix), EF111 (units), EF107 (the name is taken), EF403 (options).
 * @example
 * graph('classifier', { x: float32('batch', 1280) }, ({ x }) => ({ logits: nn.dense(x, { name: 'dense', units: 10 }) })) // [batch,10]
 */
export const dense = <D extends Float>(x: Value<D, 2>, options: DenseOptions): Value<D, 2> =>
  layer('dense', x, options, 2, () => {
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
  /** The activation between the two convolutions. */
  readonly activation: <D extends Float, R extends number>(x: Value<D, R>) => Value<D, R>
}
/**
 * Squeeze and excite (Hu et al. 2017): x [N,H,W,C] times a sigmoid gate [N,1,1,C]. Two convolutions with biases compute the gate from the means
 * over height and width. Variables `reduce/kernel` [1,1,C,reduced], `reduce/bias`, `expand/kernel` [1,1,reduced,C], `expand/bias`.
 *
 * @throws EffuseError EF101 (x is not an image), EF111 (reduced), EF107 (the name is taken), EF403 (options).
 * @example
 * graph('gated', { x: float32('batch', 8, 8, 32) }, ({ x }) => ({
 *   y: nn.squeezeExcite(x, { name: 'se', reduced: 8, activation: silu }), // [batch,8,8,32]
 * }))
 */
export const squeezeExcite = <D extends Float>(x: Image<D>, options: SqueezeExciteOptions): Image<D> =>
  layer('squeezeExcite', x, options, 4, () => {
    const { reduced, activation } = options
    if (typeof activation !== 'function')
      throw new EffuseError({
        code: 'EF403',
        path: builderOf(x).path,
        message: `${builderOf(x).path}: nn.squeezeExcite() needs the option "activation": a function such as silu`,
      })
    const [n = 1, , , channels = 1] = x.shape
    const squeezed = reshape(mean(x, [1, 2]), [n, 1, 1, channels])
    const inner = activation(
      conv2d(squeezed, { name: 'reduce', filters: count(x, 'reduced', reduced), kernel: 1, bias: true }),
    )
    return mul(x, sigmoid(conv2d(inner, { name: 'expand', filters: channels, kernel: 1, bias: true })))
  }) as Image<D>
