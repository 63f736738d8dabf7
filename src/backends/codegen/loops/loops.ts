/**
 * Loops: how a phase of a kernel is computed, one statement after another, still without a machine. Made from a phase and a schedule (from-kernel.ts),
 * interpreted (interpret.ts), and emitted.
 */
import type { OpAttrs } from '../../../ir/signatures.ts'
import type { DType } from '../../../ir/types.ts'
import type { ScalarOp } from '../kernel/kernel.ts'

/** Numbers that one value holds: 1, or the 4 neighbours that a vector of WebAssembly has, of any type. */
export type Lanes = 1 | 4

/** Arithmetic on positions, int32. `div` and `rem` are of numbers that are not negative. Comparisons and `and` give bool. */
export type IndexOp = 'add' | 'mul' | 'div' | 'rem' | 'lt' | 'eq' | 'and'

export type LoopExpr =
  | { readonly kind: 'constant'; readonly value: number; readonly dtype: DType }
  /** The counter of an enclosing loop, int32. */
  | { readonly kind: 'counter'; readonly loop: number }
  | { readonly kind: 'register'; readonly register: number }
  /** An element of a buffer by its number, which is inside; or that and the three after it. */
  | { readonly kind: 'load'; readonly buffer: number; readonly at: LoopExpr; readonly lanes: Lanes }
  /** A vector of one number. */
  | { readonly kind: 'splat'; readonly of: LoopExpr }
  | {
      readonly kind: 'op'
      readonly op: ScalarOp
      readonly attrs: OpAttrs<ScalarOp>
      readonly args: readonly LoopExpr[]
      readonly dtype: DType
      /** Of the arguments and the result. */
      readonly lanes: Lanes
    }
  | { readonly kind: 'position'; readonly op: IndexOp; readonly args: readonly [LoopExpr, LoopExpr] }
  /** A number of a random stream by the number of its element. */
  | { readonly kind: 'random'; readonly stream: string; readonly at: LoopExpr }

export type Statement =
  /** Runs the body for counter = 0 to count - 1. */
  | { readonly kind: 'for'; readonly loop: number; readonly count: number; readonly body: readonly Statement[] }
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

/** The statements of one phase. Loops and registers are numbered from 0. */
export interface Loops {
  readonly loopCount: number
  readonly registers: readonly Register[]
  readonly body: readonly Statement[]
}
