/** What ops need to know of the function that they are emitted into. */
import type { DType } from '../../ir/types.ts'
import type { ScalarOp } from '../codegen/kernel/kernel.ts'
import type { LoopExpr } from '../codegen/loops/loops.ts'
import type { FunctionBody } from './encoder.ts'

export type OpExpr = Extract<LoopExpr, { kind: 'op' }>

export interface Emission {
  readonly f: FunctionBody
  /** Puts the value of an argument on the stack. */
  push(arg: LoopExpr): void
  dtypeOf(arg: LoopExpr): DType
}

/** Ops on numbers, whose code depends only on whether these are floats or integers. */
export type NumberOp = Exclude<ScalarOp, 'and' | 'or' | 'not' | 'cast' | 'compare' | 'select'>

export type Direction = 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge'

/** Puts the operands of an op on the stack and gives the dtype of the first: of a select the branches, and then the condition, as instructions want it. */
export const pushOperands = ({ op, args }: OpExpr, { push, dtypeOf }: Emission): DType => {
  const ordered = op === 'select' ? [...args.slice(1), ...args.slice(0, 1)] : args
  for (const arg of ordered) push(arg)
  return dtypeOf(ordered[0] as LoopExpr) // an op has operands
}

/** The direction of a compare. */
export const directionOf = ({ attrs }: OpExpr): Direction => (attrs as { readonly direction: Direction }).direction

/** Ops whose results are numbers of the operands' type, whatever that is: nothing is rounded. */
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

/** Whether the result, computed in float32, has to be rounded to its half type. */
export const isRounded = ({ op, dtype }: OpExpr): boolean =>
  (dtype === 'float16' || dtype === 'bfloat16') && !exactOps.has(op)
