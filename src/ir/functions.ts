/**
 * Ops as functions on values: `add(x, 1)`, `softmax(logits)`. A value knows the builder that makes its nodes, so nothing else is passed.
 * Shapes are checked at the call (EF101, with model path and both shapes); ranks and dtypes already by the compiler.
 */
import { builderOf } from './build.ts'
import { EffuseError } from './diagnostics.ts'
import type { BinaryOp, UnaryOp } from './emitter.ts'
import { pairOf } from './emitter.ts'
import type { OpAttrs, Padding, Pair, Tolerance } from './signatures.ts'
import type { DType, Float, Type } from './types.ts'
import type { Dim, Image, Value } from './value.ts'

export type Unary = <D extends Float, R extends number>(x: Value<D, R>) => Value<D, R>
/** `b` broadcasts to `a`; a number takes a's dtype. */
export type Binary = <D extends DType, R extends number>(a: Value<D, R>, b: Value<NoInfer<D>> | number) => Value<D, R>
export type Comparison = <D extends DType, R extends number>(
  a: Value<D, R>,
  b: Value<NoInfer<D>> | number,
) => Value<'bool', R>
/** Rank after a reduction: a table, no arithmetic. */
type Less = [[0], [1, 0], [2, 1, 0], [3, 2, 1, 0], [4, 3, 2, 1, 0]]
type Reduced<R extends number, A extends readonly number[]> = R extends keyof Less
  ? A['length'] extends keyof Less[R]
    ? Less[R][A['length']]
    : number
  : number

// The emitter knows dtypes and ranks only at run time; these three lines say what follows from the ops' type rules.
const unary = (op: UnaryOp): Unary => ((x: Value) => x.builder.unary(op, x)) as Unary
const binary = (op: BinaryOp): Binary =>
  ((a: Value, b: Value | number) => sameShapeAs(a, a.builder.binary(op, a, b), op)) as Binary
const comparison = (direction: OpAttrs<'compare'>['direction']): Comparison =>
  ((a: Value, b: Value | number) => sameShapeAs(a, a.builder.compare(direction, a, b), direction)) as Comparison

/** The type says that `b` broadcasts to `a`; the other way round the result would not be of a's rank. */
const sameShapeAs = (a: Value, result: Value, op: string): Value => {
  if (result.shape.length === a.shape.length && result.shape.every((size, axis) => size === a.shape[axis]))
    return result
  throw new EffuseError({
    code: 'EF101',
    message: `${op}: the second operand must broadcast to the first, [${a.shape.join(',')}], but the result would be [${result.shape.join(',')}]`,
    hint: 'swap the operands, or repeat the first one with broadcastTo',
  })
}

/** -x. */
export const neg: Unary = unary('neg')
/** |x|. */
export const abs: Unary = unary('abs')
/** -1, 0 or 1 by the sign of x. */
export const sign: Unary = unary('sign')
/** Rounds down. */
export const floor: Unary = unary('floor')
/** Rounds up. */
export const ceil: Unary = unary('ceil')
/** Rounds to the nearest integer, halfway to the even one. */
export const round: Unary = unary('round')
/** e to the x. */
export const exp: Unary = unary('exp')
/** exp(x) - 1, exact near 0. */
export const expm1: Unary = unary('expm1')
/** Natural logarithm. */
export const log: Unary = unary('log')
/** log(1 + x), exact near 0. */
export const log1p: Unary = unary('log1p')
/** Square root. */
export const sqrt: Unary = unary('sqrt')
/** 1 / sqrt(x). */
export const rsqrt: Unary = unary('rsqrt')
/** 1 / x. */
export const reciprocal: Unary = unary('reciprocal')
/** Sine of radians. */
export const sin: Unary = unary('sin')
/** Cosine of radians. */
export const cos: Unary = unary('cos')
/** Hyperbolic tangent. */
export const tanh: Unary = unary('tanh')
/** The error function. */
export const erf: Unary = unary('erf')
/** 1 / (1 + exp(-x)). */
export const sigmoid: Unary = unary('sigmoid')
/** log(1 + exp(x)). */
export const softplus: Unary = unary('softplus')
/** max(x, 0). */
export const relu: Unary = unary('relu')
/** min(max(x, 0), 6). */
export const relu6: Unary = unary('relu6')
/** x above 0, exp(x) - 1 below. */
export const elu: Unary = unary('elu')
/** The self-normalising elu. */
export const selu: Unary = unary('selu')
/** x * sigmoid(x), also called swish. */
export const silu: Unary = unary('silu')

/** a + b. */
export const add: Binary = binary('add')
/** a - b. */
export const sub: Binary = binary('sub')
/** a * b. */
export const mul: Binary = binary('mul')
/** a / b; int32 truncates toward zero. */
export const div: Binary = binary('div')
/** a to the b. */
export const pow: Binary = binary('pow')
/** The larger of two; NaN if one is. */
export const maximum: Binary = binary('maximum')
/** The smaller of two; NaN if one is. */
export const minimum: Binary = binary('minimum')
/** What is left of a / b, with the sign of a. */
export const remainder: Binary = binary('remainder')

/** a == b, elementwise. */
export const equal: Comparison = comparison('eq')
/** a != b. */
export const notEqual: Comparison = comparison('ne')
/** a < b. */
export const less: Comparison = comparison('lt')
/** a <= b. */
export const lessEqual: Comparison = comparison('le')
/** a > b. */
export const greater: Comparison = comparison('gt')
/** a >= b. */
export const greaterEqual: Comparison = comparison('ge')

type Logical = <R extends number>(a: Value<'bool', R>, b: Value<'bool'>) => Value<'bool', R>
/** Both. */
export const and: Logical = ((a: Value, b: Value) => a.builder.binary('and', a, b)) as Logical
/** One at least. */
export const or: Logical = ((a: Value, b: Value) => a.builder.binary('or', a, b)) as Logical
/** Not x. */
export const not = <R extends number>(x: Value<'bool', R>): Value<'bool', R> =>
  x.builder.unary('not', x) as Value<'bool', R>
/** True where x is neither NaN nor infinite. */
// biome-ignore lint/suspicious/noShadowRestrictedNames: the op's name, imported by those who want it.
export const isFinite = <R extends number>(x: Value<Float, R>): Value<'bool', R> =>
  x.builder.unary('isFinite', x) as Value<'bool', R>

/** `a` where the condition is true, `b` elsewhere. The condition is a scalar or of a's shape. */
export const select = <D extends DType, R extends number>(
  condition: Value<'bool'>,
  a: Value<D, R>,
  b: Value<NoInfer<D>> | number,
): Value<D, R> => sameShapeAs(a, a.builder.select(condition, a, b), 'select') as Value<D, R>
/** Another element type; a cast that you write is exact, mixed precision never drops it. */
export const cast = <D extends DType, R extends number>(x: Value<DType, R>, to: D): Value<D, R> =>
  x.builder.cast(x, to) as Value<D, R>

/** The same elements in row-major order; one size may be -1 and is computed. */
export const reshape = <D extends DType, const S extends readonly Dim[]>(
  x: Value<D>,
  shape: S,
): Value<D, S['length']> => x.builder.reshape(x, resolved(x, shape)) as Value<D, S['length']>

const resolved = (x: Value, shape: readonly Dim[]): readonly number[] => {
  // 'batch' is the first size of what is reshaped: images keep theirs in front.
  const sizes = shape.map((size) => (size === 'batch' ? (x.shape[0] ?? 1) : size))
  const open = sizes.indexOf(-1)
  if (open < 0) return sizes
  const rest = sizes.reduce((product, size, i) => (i === open ? product : product * size), 1)
  const all = x.shape.reduce((a, b) => a * b, 1)
  return sizes.map((size, i) => (i === open ? all / rest : size))
}

/** Axes in another order. */
export const transpose = <D extends DType, R extends number>(
  x: Value<D, R>,
  permutation: readonly number[],
): Value<D, R> => x.builder.transpose(x, permutation) as Value<D, R>
/** Repeats along new leading axes and along axes of size 1, as NumPy does. */
export const broadcastTo = <D extends DType, const S extends readonly number[]>(
  x: Value<D>,
  shape: S,
): Value<D, S['length']> => x.builder.broadcast(x, shape) as Value<D, S['length']>
/** Elements from `starts` to below `limits`, every `strides`-th. */
export const slice = <D extends DType, R extends number>(
  x: Value<D, R>,
  starts: readonly number[],
  limits: readonly number[],
  strides?: readonly number[],
): Value<D, R> => x.builder.slice(x, starts, limits, strides) as Value<D, R>
/** A number around x: low[i] before and high[i] after on axis i. */
export const pad = <D extends DType, R extends number>(
  x: Value<D, R>,
  low: readonly number[],
  high: readonly number[],
  value = 0,
): Value<D, R> => x.builder.pad(x, low, high, value) as Value<D, R>
/** One after another along an axis. */
export const concatenate = <D extends DType, R extends number>(
  values: readonly [Value<D, R>, ...Value<D, R>[]],
  axis: number,
): Value<D, R> => values[0].builder.concatenate(values, axis) as Value<D, R>
/** Last element first along the axes. */
export const reverse = <D extends DType, R extends number>(x: Value<D, R>, axes: readonly number[]): Value<D, R> =>
  x.builder.reverse(x, axes) as Value<D, R>
/** Slices of x along an axis, by index; indices beyond the ends are clamped. */
export const gather = <D extends DType>(x: Value<D>, indices: Value<'int32'>, axis = 0): Value<D> =>
  x.builder.gather(x, indices, axis) as Value<D>
/** 1 at the index, 0 elsewhere, along a new last axis. */
export const oneHot = (indices: Value<'int32'>, depth: number): Value<'float32'> =>
  indices.builder.oneHot(indices, depth) as Value<'float32'>

interface Reduction {
  <D extends DType, R extends number, const A extends readonly number[]>(
    x: Value<D, R>,
    axes: A,
  ): Value<D, Reduced<R, A>>
  <D extends DType>(x: Value<D>): Value<D, 0>
}
const allAxes = (x: Value): readonly number[] => x.shape.map((_, axis) => axis)
/** Negative axes count from the end; ascending in the IR. */
const axesOf = (x: Value, axes: readonly number[] | undefined): readonly number[] =>
  axes === undefined ? allAxes(x) : axes.map((axis) => (axis < 0 ? axis + x.shape.length : axis)).sort((a, b) => a - b)
const reduction = (make: (x: Value, axes: readonly number[]) => Value): Reduction =>
  ((x: Value, axes?: readonly number[]) => make(x, axesOf(x, axes))) as Reduction

/** Sum over axes, or over everything. */
export const reduceSum: Reduction = reduction((x, axes) => x.builder.reduceSum(x, axes))
/** Product over axes, or over everything. */
export const reduceProd: Reduction = reduction((x, axes) =>
  x.builder.emit1('reduceProd', [x], { axes, keepDims: false }),
)
/** Largest element over axes, or of everything. */
export const reduceMax: Reduction = reduction((x, axes) => x.builder.reduceMax(x, axes))
/** Smallest element over axes, or of everything. */
export const reduceMin: Reduction = reduction((x, axes) => x.builder.emit1('reduceMin', [x], { axes, keepDims: false }))
/** Mean over axes, or of everything. */
export const mean: Reduction = reduction((x, axes) => x.builder.mean(x, axes))
/** Biased variance over axes, or of everything. */
export const variance: Reduction = reduction((x, axes) => x.builder.variance(x, axes))
/** Index of the largest element along an axis (default: the last); of equal ones the lowest. */
export const argMax = (x: Value, axis = -1): Value<'int32'> =>
  x.builder.emit1('argMax', [x], { axis: axis < 0 ? axis + x.shape.length : axis }) as Value<'int32'>
/** The k largest along the last axis, in descending order, and their indices. */
export const topK = <D extends DType, R extends number>(
  x: Value<D, R>,
  k: number,
): { readonly values: Value<D, R>; readonly indices: Value<'int32', R> } => {
  const [values, indices] = x.builder.emit('topK', [x], { k })
  return { values: values as Value<D, R>, indices: indices as Value<'int32', R> }
}

/** Matrix product over the last two axes. */
export const matmul = <D extends Float, R extends number>(
  a: Value<D, R>,
  b: Value<NoInfer<D>, NoInfer<R>>,
  options: { readonly transposeA?: boolean; readonly transposeB?: boolean } = {},
): Value<D, R> => a.builder.matmul(a, b, options) as Value<D, R>
/** exp(x) over its sum along an axis (default: the last). */
export const softmax = <D extends Float, R extends number>(x: Value<D, R>, axis = -1): Value<D, R> =>
  x.builder.softmax(x, axis < 0 ? axis + x.shape.length : axis) as Value<D, R>
/** log(softmax(x)), without overflow. */
export const logSoftmax = <D extends Float, R extends number>(x: Value<D, R>, axis = -1): Value<D, R> =>
  x.builder.logSoftmax(x, axis < 0 ? axis + x.shape.length : axis) as Value<D, R>

export interface PoolOptions {
  readonly window: Pair | number
  /** Default: the window. */
  readonly strides?: Pair | number | undefined
  /** Default 'valid'. */
  readonly padding?: Padding | undefined
}
const pooling =
  (op: 'maxPool2d' | 'avgPool2d') =>
  <D extends Float>(x: Image<D>, { window, strides, padding }: PoolOptions): Image<D> =>
    x.builder.emit1(op, [x], {
      window: pairOf(window),
      strides: pairOf(strides ?? window),
      padding: padding ?? 'valid',
    }) as Image<D>
/** Largest element of each window of an image [N,H,W,C]. */
export const maxPool2d: <D extends Float>(x: Image<D>, options: PoolOptions) => Image<D> = pooling('maxPool2d')
/** Mean of each window of an image; padding does not count. */
export const avgPool2d: <D extends Float>(x: Image<D>, options: PoolOptions) => Image<D> = pooling('avgPool2d')
/** Mean over height and width: [N,H,W,C] -> [N,C]. */
export const globalAveragePool2d = <D extends Float>(x: Image<D>): Value<D, 2> =>
  x.builder.mean(x, [1, 2]) as Value<D, 2>

export interface DropoutOptions {
  /** Share that is dropped in training, from 0 to below 1. */
  readonly rate: number
  /** 'sample': whole samples, as stochastic depth does. */
  readonly per?: 'element' | 'sample' | undefined
}
/** Dropout; the identity in inference. */
export const dropout = <D extends Float, R extends number>(
  x: Value<D, R>,
  { rate, per }: DropoutOptions,
): Value<D, R> =>
  x.builder.emit1('dropout', [x], { rate, per: per ?? 'element', stream: builderOf(x).stream() }) as Value<D, R>

export interface CompositeOptions {
  /** Class for mixed precision; default 'infer'. */
  readonly amp?: OpAttrs<'composite'>['amp'] | undefined
  readonly tolerance?: Tolerance | undefined
}
/**
 * A custom op: a function of values that keeps its name through the passes and that every backend can run, by its body.
 * @example
 * const cube = composite('cube', (x: Value) => mul(mul(x, x), x), { amp: 'deny' })
 */
export const composite =
  <A extends readonly Value[], V extends Value>(
    name: string,
    body: (...operands: A) => V,
    options: CompositeOptions = {},
  ): ((...operands: A) => V) =>
  (...operands) => {
    const [first] = operands
    if (first === undefined)
      throw new EffuseError({ code: 'EF103', message: `the composite "${name}" needs one operand at least` })
    const types = operands.map(({ dtype, shape }): Type => ({ dtype, shape }))
    const b = builderOf(first)
    const graph = b.region(name, types, (inputs) => [body(...(inputs as readonly Value[] as A))]) // as many inputs as operands, of their types
    return b.emit1('composite', operands, {
      name,
      body: graph,
      amp: options.amp ?? 'infer',
      tolerance: options.tolerance ?? 'composite',
    }) as V
  }
