/**
 * Loops: how a phase of a kernel is computed, one statement after another, still without a machine. Made from a phase and a schedule (from-kernel.ts),
 * interpreted (interpret.ts), and emitted.
 */
import type { OpAttrs } from '../../../ir/signatures.ts'
import type { DType } from '../../../ir/types.ts'
import type { ScalarOp } from '../kernel/kernel.ts'

/** Arithmetic on positions, int32. `div` and `rem` are of numbers that are not negative. Comparisons and `and` give bool. */
export type IndexOp = 'add' | 'mul' | 'div' | 'rem' | 'lt' | 'eq' | 'and'

export type LoopExpr =
  | { readonly kind: 'constant'; readonly value: number; readonly dtype: DType }
  /** The counter of an enclosing loop, int32. */
  | { readonly kind: 'counter'; readonly loop: number }
  | { readonly kind: 'register'; readonly register: number }
  /** An element of a buffer by its number, which is inside. */
  | { readonly kind: 'load'; readonly buffer: number; readonly at: LoopExpr }
  | {
      readonly kind: 'op'
      readonly op: ScalarOp
      readonly attrs: OpAttrs<ScalarOp>
      readonly args: readonly LoopExpr[]
      readonly dtype: DType
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
  | { readonly kind: 'store'; readonly buffer: number; readonly at: LoopExpr; readonly value: LoopExpr }

/** The statements of one phase. Loops and registers are numbered from 0. */
export interface Loops {
  readonly loopCount: number
  /** Element types of the registers. */
  readonly registers: readonly DType[]
  readonly body: readonly Statement[]
}
