/**
 * Kernels: what is computed for each element, without saying in which order or where in memory. A graph of primitive ops becomes one kernel of one or
 * more phases (from-graph.ts). Kernels are plain data: printed (print.ts), verified (verify.ts), interpreted (interpret.ts).
 */
import type { ElementwiseOps, OpAttrs } from '../../../ir/signatures.ts'
import type { DType } from '../../../ir/types.ts'

/** A number that depends on the axes of a phase: (offset + sum of axis * stride) / divisor. */
export interface Linear {
  readonly kind: 'linear'
  readonly offset: number
  /** By ascending axis; no stride is 0. */
  readonly terms: readonly { readonly axis: number; readonly stride: number }[]
  readonly divisor: number
}

/** A number that an expression gives (an index of a gather), moved to the nearest that is inside. */
export interface Computed {
  readonly kind: 'computed'
  readonly expr: number
}

/** The position along one dimension of a buffer, or of a virtual tensor. It is inside where it is an integer from 0 to size - 1. */
export interface Coordinate {
  readonly at: Linear | Computed
  readonly size: number
}

export type ScalarOp = keyof ElementwiseOps

export type Expr =
  /** An element of a buffer, its coordinates in row-major order; `fill` where one of them is not inside. */
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

/** `argmax` gives the number of the winner, counting all of its axes in row-major order; the first of equals; NaN wins. */
export type Monoid = 'sum' | 'product' | 'max' | 'min' | 'and' | 'or' | 'argmax'

/** What an accumulator holds before the first term; of argmax, what does not count. */
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

/** Combines, over axes, the products of some expressions. */
export interface Accumulator {
  readonly monoid: Monoid
  /** The phase's axes that it runs over, in order. They are no axes of stores. */
  readonly axes: readonly number[]
  /** Their product is one term; the product and the sum are not rounded. */
  readonly factors: readonly number[]
  /** Terms for which this is false do not count; null: all count. */
  readonly guard: number | null
  readonly dtype: DType
}

/** Writes one element of a buffer for each point of the parallel axes. */
export interface Store {
  readonly buffer: number
  /** Inside everywhere; different points write different elements. */
  readonly coordinates: readonly Coordinate[]
  readonly value: number
}

/** One pass: for each point of the parallel axes, accumulators run over the others, then stores happen. */
export interface Phase {
  /** Sizes. */
  readonly axes: readonly number[]
  /** The first so many are parallel. */
  readonly parallel: number
  readonly exprs: readonly Expr[]
  readonly accumulators: readonly Accumulator[]
  readonly stores: readonly Store[]
}

export interface KernelBuffer {
  readonly dtype: DType
  /** Row-major. */
  readonly shape: readonly number[]
  readonly role: 'operand' | 'result' | 'temporary' | 'literal'
  /** Of a literal; half types are held widened. */
  readonly data: readonly number[] | null
}

/** Phases run one after another. Each reads operands, literals, and what earlier phases have written. */
export interface Kernel {
  readonly buffers: readonly KernelBuffer[]
  readonly phases: readonly Phase[]
}
