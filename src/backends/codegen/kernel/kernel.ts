/**
 * A kernel says what is computed for each element. It does not say in which order, or at which addresses. A graph of primitive ops is lowered to one
 * kernel with one or more phases (from-graph.ts). Kernels are plain data: they can be printed (print.ts), parsed (parse.ts), verified (verify.ts) and
 * interpreted (interpret.ts).
 */
import type { ElementwiseOps, OpAttrs } from '../../../ir/signatures.ts'
import type { DType } from '../../../ir/types.ts'

/** A linear function of the axes of a phase: (offset + sum of axis * stride) / divisor. */
export interface Linear {
  readonly kind: 'linear'
  readonly offset: number
  /** In ascending order of axes. No stride is 0. */
  readonly terms: readonly { readonly axis: number; readonly stride: number }[]
  readonly divisor: number
}

/** A coordinate given by an int32 expression, for example the index of a gather. It is clamped to the bounds. */
export interface Computed {
  readonly kind: 'computed'
  readonly expr: number
}

/** The coordinate in one dimension of a buffer or of a virtual tensor. It is in bounds where it is an integer from 0 to size - 1. */
export interface Coordinate {
  readonly at: Linear | Computed
  readonly size: number
}

export type ScalarOp = keyof ElementwiseOps

export type Expr =
  /** Reads an element of a buffer. The coordinates are in row-major order. Gives `fill` where a coordinate is out of bounds. */
  | {
      readonly kind: 'load'
      readonly buffer: number
      readonly coordinates: readonly Coordinate[]
      readonly fill: number
      readonly dtype: DType
    }
  /** An elementwise op of the IR, with its semantics, on earlier expressions. */
  | {
      readonly kind: 'op'
      readonly op: ScalarOp
      readonly attrs: OpAttrs<ScalarOp>
      readonly args: readonly number[]
      readonly dtype: DType
    }
  | { readonly kind: 'constant'; readonly value: number; readonly dtype: DType }
  /** The number itself, rounded down. */
  | { readonly kind: 'index'; readonly of: Linear; readonly dtype: 'int32' }
  /** Are all coordinates inside? */
  | { readonly kind: 'inside'; readonly coordinates: readonly Coordinate[]; readonly dtype: 'bool' }
  /** A number of a random stream (ir/philox.ts): the element with this index. */
  | { readonly kind: 'random'; readonly stream: string; readonly index: Linear; readonly dtype: 'float32' }
  /** What an accumulator holds at the end. */
  | { readonly kind: 'accumulated'; readonly accumulator: number; readonly dtype: DType }

/** `argmax` gives the row-major index of the largest term over all of its axes. Among equal terms the first one wins; NaN wins over numbers. */
export type Monoid = 'sum' | 'product' | 'max' | 'min' | 'and' | 'or' | 'argmax'

/** The initial value of an accumulator. For argmax: the term that stands for "does not count". */
export const identityOf = (monoid: Monoid, dtype: DType): number => {
  switch (monoid) {
    case 'max':
      return dtype === 'int32' ? -(2 ** 31) : -Infinity
    case 'min':
      return dtype === 'int32' ? 2 ** 31 - 1 : Infinity
    case 'product':
    case 'and':
      return 1
    default:
      return 0
  }
}

/** Reduces products of expressions over axes. */
export interface Accumulator {
  readonly monoid: Monoid
  /** The reduced axes of the phase that the accumulator runs over, in order. Stores cannot use them. */
  readonly axes: readonly number[]
  /** Their product is one term. Products and sums are not rounded. */
  readonly factors: readonly number[]
  /** A bool expression: only terms for which it is true count. Null: all terms count. */
  readonly guard: number | null
  readonly dtype: DType
}

/** Writes one element of a buffer at each point of the parallel axes. */
export interface Store {
  readonly buffer: number
  /** In bounds at every point. Different points write different elements. */
  readonly coordinates: readonly Coordinate[]
  readonly value: number
}

/** One loop nest: at each point of the parallel axes, the accumulators run over the reduced axes, then the stores execute. */
export interface Phase {
  /** The sizes of the axes. */
  readonly axes: readonly number[]
  /** How many axes are parallel. They come first; the others are reduced. */
  readonly parallel: number
  readonly exprs: readonly Expr[]
  readonly accumulators: readonly Accumulator[]
  readonly stores: readonly Store[]
}

export interface KernelBuffer {
  readonly dtype: DType
  /** In row-major order. */
  readonly shape: readonly number[]
  readonly role: 'operand' | 'result' | 'temporary' | 'literal'
  /** The elements of a literal, half types widened; null for other buffers. */
  readonly data: readonly number[] | null
}

/** Phases execute in order. A phase reads operands, literals, and buffers that earlier phases wrote. */
export interface Kernel {
  readonly buffers: readonly KernelBuffer[]
  readonly phases: readonly Phase[]
}
