/**
 * The statements of a phase: in which order its values are computed. They are independent of a machine. They are built from a phase and a schedule
 * (from-kernel.ts), interpreted (interpret.ts), and emitted by backends.
 */
import type { OpAttrs } from '../../../ir/signatures.ts'
import type { DType } from '../../../ir/types.ts'
import type { ScalarOp } from '../kernel/kernel.ts'

/** The number of elements in a value: 1, or the 4 adjacent elements of a vector, of any type. */
export type Lanes = 1 | 4

/** Arithmetic on int32 positions. Operands of `div` and `rem` are never negative. Comparisons and `and` give bool. */
export type IndexOp = 'add' | 'mul' | 'div' | 'rem' | 'min' | 'max' | 'lt' | 'eq' | 'and'

/**
 * offset + sum of counter * stride, int32. No stride is 0, and no loop occurs twice. Emitters turn affine addresses into pointers that the loops
 * increment.
 */
export interface Affine {
  readonly kind: 'affine'
  readonly offset: number
  readonly terms: readonly { readonly loop: number; readonly stride: number }[]
}

/** The buffer number of scratch memory: float32 memory of the call, with undefined contents at its start. */
export const scratch = -1

export type LoopExpr =
  | { readonly kind: 'constant'; readonly value: number; readonly dtype: DType }
  /** A number that the counters of enclosing loops give. */
  | Affine
  /** A number of the call that sizes depend on (sized-loops.ts), int32. */
  | { readonly kind: 'parameter'; readonly number: number }
  /** An end of the range of units that a call computes, int32. */
  | { readonly kind: 'unit'; readonly of: 'first' | 'end' }
  | { readonly kind: 'register'; readonly register: number }
  /** An element of a buffer by its number, which is inside; or that and the three after it. */
  | { readonly kind: 'load'; readonly buffer: number; readonly at: LoopExpr; readonly lanes: Lanes }
  /** A vector of one number. */
  | { readonly kind: 'splat'; readonly of: LoopExpr }
  /** A vector of four numbers. */
  | { readonly kind: 'lanes'; readonly of: readonly LoopExpr[] }
  | {
      readonly kind: 'op'
      readonly op: ScalarOp
      readonly attrs: OpAttrs<ScalarOp>
      readonly args: readonly LoopExpr[]
      readonly dtype: DType
      /** The lanes of the arguments and of the result. */
      readonly lanes: Lanes
    }
  | { readonly kind: 'position'; readonly op: IndexOp; readonly args: readonly [LoopExpr, LoopExpr] }
  /** A number of a random stream by the number of its element; or that and the three after it. */
  | { readonly kind: 'random'; readonly stream: string; readonly at: LoopExpr; readonly lanes: Lanes }

export type Statement =
  /** Runs the body for counter = first to end - 1, and not at all if first >= end. Both bounds are constants or registers. */
  | {
      readonly kind: 'for'
      readonly loop: number
      readonly first: LoopExpr
      readonly end: LoopExpr
      readonly body: readonly Statement[]
    }
  | {
      readonly kind: 'if'
      readonly condition: LoopExpr
      readonly body: readonly Statement[]
      readonly otherwise: readonly Statement[]
    }
  | { readonly kind: 'set'; readonly register: number; readonly value: LoopExpr }
  /** Of a vector: four neighbours. */
  | {
      readonly kind: 'store'
      readonly buffer: number
      readonly at: LoopExpr
      readonly value: LoopExpr
      readonly lanes: Lanes
    }

export interface Register {
  readonly dtype: DType
  readonly lanes: Lanes
}

/** The statements of a phase. Loops and registers are numbered from 0. */
export interface LoopNest {
  /** Elements of scratch memory. */
  readonly scratchSize: number
  readonly loopCount: number
  readonly registers: readonly Register[]
  readonly body: readonly Statement[]
}

/** The statements of one phase whose sizes are constants. */
export interface Loops extends LoopNest {
  /** The number of units of work. A call computes a range of them. */
  readonly units: number
}
