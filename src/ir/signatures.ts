/**
 * The vocabulary: every op with its number of inputs, its attributes and its number of outputs. It is written by hand: if TypeScript inferred it from
 * the op definitions, those that use the emitter would have circular types.
 * Each op has a definition (op-def.ts) in ops/<group>/<op>.ts; the tables there are total over these interfaces.
 */
import type { DType, Float, Graph } from './types.ts'
import type { Initializer } from './initializers.ts'

/** In: number of inputs; Attrs: attributes; Out: number of outputs. */
export interface Signature<In extends Arity, Attrs, Out extends Arity = 1> {
  readonly in: In
  readonly attrs: Attrs
  readonly out: Out
}
export type Arity = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 'variadic'

/** No attributes. */
export type None = { readonly [name: string]: never }
type Unary = Signature<1, None>
type Binary = Signature<2, None>

export type Pair = readonly [number, number]
/** 'same' as in TensorFlow (an odd element is added at the end), or explicit: [[top, bottom], [left, right]]. */
export type Padding = 'same' | 'valid' | readonly [Pair, Pair]
/** One number for all elements, the elements in row-major order, or the hash of content that is stored beside the graph. */
export type ConstantValue = number | readonly number[] | { readonly sha256: string }

export interface WindowAttrs {
  readonly window: Pair
  readonly strides: Pair
  readonly padding: Padding
}
export interface ConvAttrs {
  readonly strides: Pair
  readonly padding: Padding
  readonly dilations: Pair
  /** Element type of the result if it is wider than the operands'; null: the operands' type. */
  readonly resultDtype: Float | null
}
export interface ReduceAttrs {
  readonly axes: readonly number[]
  readonly keepDims: boolean
}
export interface WideReduceAttrs extends ReduceAttrs {
  readonly resultDtype: Float | null
}

export interface SourceOps {
  input: Signature<0, { readonly name: string }>
  variable: Signature<0, { readonly name: string; readonly trainable: boolean; readonly init: Initializer }>
  constant: Signature<0, { readonly value: ConstantValue }>
  iota: Signature<0, { readonly shape: readonly number[]; readonly axis: number; readonly dtype: DType }>
  randomUniform: Signature<0, { readonly shape: readonly number[]; readonly stream: string }>
}

export interface ElementwiseOps {
  neg: Unary
  abs: Unary
  sign: Unary
  floor: Unary
  ceil: Unary
  round: Unary
  exp: Unary
  expm1: Unary
  log: Unary
  log1p: Unary
  sqrt: Unary
  rsqrt: Unary
  reciprocal: Unary
  sin: Unary
  cos: Unary
  tanh: Unary
  erf: Unary
  sigmoid: Unary
  softplus: Unary
  relu: Unary
  relu6: Unary
  elu: Unary
  selu: Unary
  not: Unary
  isFinite: Unary
  add: Binary
  sub: Binary
  mul: Binary
  div: Binary
  pow: Binary
  maximum: Binary
  minimum: Binary
  remainder: Binary
  and: Binary
  or: Binary
  compare: Signature<2, { readonly direction: 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge' }>
  select: Signature<3, None>
  cast: Signature<1, { readonly to: DType; readonly relaxed: boolean }>
}

export interface MovementOps {
  reshape: Signature<1, { readonly shape: readonly number[] }>
  /** Operand axis i becomes result axis axes[i]; an operand dimension of 1 is repeated. */
  broadcast: Signature<1, { readonly shape: readonly number[]; readonly axes: readonly number[] }>
  transpose: Signature<1, { readonly permutation: readonly number[] }>
  slice: Signature<
    1,
    { readonly starts: readonly number[]; readonly limits: readonly number[]; readonly strides: readonly number[] }
  >
  pad: Signature<
    1,
    {
      readonly low: readonly number[]
      readonly high: readonly number[]
      readonly interior: readonly number[]
      readonly value: number
    }
  >
  concatenate: Signature<'variadic', { readonly axis: number }>
  reverse: Signature<1, { readonly axes: readonly number[] }>
  gather: Signature<2, { readonly axis: number }>
  oneHot: Signature<1, { readonly depth: number; readonly dtype: DType }>
}

export interface ReductionOps {
  reduceSum: Signature<1, WideReduceAttrs>
  reduceMax: Signature<1, ReduceAttrs>
  reduceMin: Signature<1, ReduceAttrs>
  reduceProd: Signature<1, ReduceAttrs>
  reduceAll: Signature<1, ReduceAttrs>
  reduceAny: Signature<1, ReduceAttrs>
  argMax: Signature<1, { readonly axis: number }>
  topK: Signature<1, { readonly k: number }, 2>
}

export interface ContractionOps {
  matmul: Signature<
    2,
    { readonly transposeA: boolean; readonly transposeB: boolean; readonly resultDtype: Float | null }
  >
  conv2d: Signature<2, ConvAttrs>
  conv2dInputGradient: Signature<2, ConvAttrs & { readonly inputShape: readonly number[] }>
  conv2dFilterGradient: Signature<2, ConvAttrs & { readonly filterShape: readonly number[] }>
  depthwiseConv2d: Signature<2, ConvAttrs>
  depthwiseConv2dInputGradient: Signature<2, ConvAttrs & { readonly inputShape: readonly number[] }>
  depthwiseConv2dFilterGradient: Signature<2, ConvAttrs & { readonly filterShape: readonly number[] }>
}

export interface PoolingOps {
  maxPool2d: Signature<1, WindowAttrs>
  maxPool2dGradient: Signature<2, WindowAttrs>
  avgPool2d: Signature<1, WindowAttrs>
  avgPool2dGradient: Signature<1, WindowAttrs & { readonly inputShape: readonly number[] }>
}

/** Model-form ops. The passes to-inference and to-training replace them. */
export interface ModelOps {
  /** (x, scale, offset, moving mean, moving variance). */
  batchNorm: Signature<5, { readonly epsilon: number; readonly momentum: number }>
  /** One random number per element or per sample (stochastic depth). */
  dropout: Signature<1, { readonly rate: number; readonly per: 'element' | 'sample'; readonly stream: string }>
}

/** Elementwise ops that decompose into others. */
export interface ElementwiseComposites {
  silu: Unary
  /** (x, dy) -> dx; recomputes the sigmoid. */
  siluGradient: Binary
}

export interface CompositeOps extends ElementwiseComposites {
  batchNormInference: Signature<5, { readonly epsilon: number }>
  /** (x, scale, offset) -> (y, mean, biased variance, inverse deviation). */
  batchNormTraining: Signature<3, { readonly epsilon: number }, 4>
  /** (x, scale, mean, inverse deviation, dy) -> (dx, dscale, doffset). */
  batchNormGradient: Signature<5, None, 3>
  softmax: Signature<1, { readonly axis: number }>
  logSoftmax: Signature<1, { readonly axis: number }>
  /** (logits [N,C], labels [N,C]) -> loss [N]. */
  softmaxCrossEntropy: Binary
  /** (logits [N,C], labels [N,C], dloss [N]) -> dlogits [N,C]. */
  softmaxCrossEntropyGradient: Signature<3, None>
  mean: Signature<1, WideReduceAttrs>
  variance: Signature<1, WideReduceAttrs>
}

/** Ops of the training step, one node per variable. They include the guard: if `finite` is false, every result is the old value. */
export interface TrainingOps {
  /** (w, g, mean square, momentum, learning rate [], finite []) -> (w, mean square, momentum). */
  rmsprop: Signature<6, { readonly rho: number; readonly momentum: number; readonly epsilon: number }, 3>
  /** (w, g, momentum, learning rate [], finite []) -> (w, momentum). */
  sgd: Signature<5, { readonly momentum: number; readonly nesterov: boolean }, 2>
  /** (w, g, first moment, second moment, learning rate [], step int32 [], finite []) -> (w, first, second). */
  adam: Signature<
    7,
    { readonly beta1: number; readonly beta2: number; readonly epsilon: number; readonly weightDecay: number },
    3
  >
  /** (average, value, step int32 [], finite []) -> average. */
  ema: Signature<4, { readonly decay: number }>
  /** (...values) -> bool []. */
  allFinite: Signature<'variadic', None>
  /** (scale [], good steps int32 [], finite []) -> (scale, good steps). */
  lossScaleUpdate: Signature<3, { readonly interval: number; readonly least: number }, 2>
}

/** Ops with a graph as body: fusions and users' composites. */
export interface RegionOps {
  fusion: Signature<'variadic', { readonly kind: string; readonly body: Graph }, 'variadic'>
  composite: Signature<
    'variadic',
    {
      readonly name: string
      readonly body: Graph
      readonly amp: 'allow' | 'deny' | 'infer' | 'clear' | 'wide'
      readonly tolerance: Tolerance
    },
    'variadic'
  >
}
export type Tolerance = 'exact' | 'rounding' | 'transcendental' | 'accumulation' | 'composite'

export interface OpSignatures
  extends SourceOps,
    ElementwiseOps,
    MovementOps,
    ReductionOps,
    ContractionOps,
    PoolingOps,
    ModelOps,
    CompositeOps,
    TrainingOps,
    RegionOps {}

export type OpName = keyof OpSignatures
/** Ops that decompose into others. A backend may have kernels for them, but needs none. */
export type CompositeOp = keyof CompositeOps | keyof TrainingOps | 'composite'
/** A table of ops in which composites may be missing. */
export type WithOptionalComposites<T extends { readonly [K in CompositeOp]: unknown }> = Omit<T, CompositeOp> &
  Partial<Pick<T, CompositeOp>>
/** Names of the ops with such a signature; includes new ops automatically. */
type NamesOf<Ops, S> = { [K in keyof Ops]: Ops[K] extends S ? K : never }[keyof Ops]
export type UnaryOp = NamesOf<ElementwiseOps & ElementwiseComposites, Unary>
export type BinaryOp = NamesOf<ElementwiseOps & ElementwiseComposites, Binary>
export type OpAttrs<K extends OpName = OpName> = OpSignatures[K]['attrs']
export type OpIn<K extends OpName> = OpSignatures[K]['in']
export type OpOut<K extends OpName> = OpSignatures[K]['out']

/** A tuple of `N` elements, or a list if the op is variadic. */
export type Tuple<T, N extends Arity> = N extends 0
  ? readonly []
  : N extends 1
    ? readonly [T]
    : N extends 2
      ? readonly [T, T]
      : N extends 3
        ? readonly [T, T, T]
        : N extends 4
          ? readonly [T, T, T, T]
          : N extends 5
            ? readonly [T, T, T, T, T]
            : N extends 6
              ? readonly [T, T, T, T, T, T]
              : N extends 7
                ? readonly [T, T, T, T, T, T, T]
                : readonly T[]
