/** What the emission of ops shares: what an op needs from its function, and the form of tables of ops. */
import { type DType, isHalf } from '../../ir/types.ts'
import type { ScalarOp } from '../codegen/kernel/kernel.ts'
import type { LoopExpr } from '../codegen/loops/loops.ts'
import type { FunctionBody } from './encoder.ts'
import type { StackOp } from './stack-op.ts'

export type OpExpr = Extract<LoopExpr, { kind: 'op' }>

export interface Emission {
  readonly f: FunctionBody
  /** Puts the value of an argument on the stack. */
  push(arg: LoopExpr): void
  dtypeOf(arg: LoopExpr): DType
}

/** Numeric ops, whose code depends only on whether the operands are floats or integers. */
export type NumberOp = Exclude<ScalarOp, 'and' | 'or' | 'not' | 'cast' | 'compare' | 'select'>

export type Direction = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge'

/** The ops of one width, without those on floats (float-ops.ts). */
export interface OpTable {
  readonly and: StackOp
  readonly or: StackOp
  readonly not: StackOp
  readonly select: StackOp
  readonly cast: (from: DType, to: DType) => StackOp
  readonly compare: (direction: Direction, operands: DType) => StackOp
  /** The ops that integers have. */
  readonly integers: { readonly [K in NumberOp]?: StackOp }
}

/**
 * Puts the operands of an op on the stack and returns the dtype of the first one. For a select, the order is that of the instruction: the branches,
 * then the condition.
 */
export const pushOperands = ({ op, args }: OpExpr, { push, dtypeOf }: Emission): DType => {
  const ordered = op === 'select' ? [...args.slice(1), ...args.slice(0, 1)] : args
  for (const arg of ordered) push(arg)
  return dtypeOf(ordered[0] as LoopExpr) // an op has operands
}

/** The direction of a compare. */
export const directionOf = ({ attrs }: OpExpr): Direction => (attrs as { readonly direction: Direction }).direction

/** Ops whose results are exact in the dtype of the operands, so that they need no rounding. */
const exactOps: ReadonlySet<ScalarOp> = new Set<ScalarOp>([
  'neg',
  'abs',
  'sign',
  'floor',
  'ceil',
  'round',
  'relu',
  'relu6',
  'maximum',
  'minimum',
  'remainder',
  'select',
  'cast', // rounds by itself
])

/** Must the result, computed in float32, be rounded to its half type? */
export const isRounded = ({ op, dtype }: OpExpr): boolean => isHalf(dtype) && !exactOps.has(op)
