/** Ops on vectors of four lanes: logic, casts, comparisons and integer arithmetic. float-ops.ts has the arithmetic on floats. bool is a mask: all bits of a lane are set, or none. */
import { isFloat } from '../../ir/types.ts'
import { vectorCast } from './casts.ts'
import { perLane } from './lanes.ts'
import { integerDiv, integerRemainder } from './scalar-ops.ts'
import type { OpTable } from './op-emission.ts'
import { plain, popOne, type StackOp } from './stack-op.ts'

/** (x < 0) - (x > 0); a mask that holds is -1. */
const integerSign: StackOp = (f) => {
  const x = popOne(f, 'v128', 'sign')
  f.get(x)
  f.i32x4(0)
  f.op('i32x4.lt_s')
  f.get(x)
  f.i32x4(0)
  f.op('i32x4.gt_s', 'i32x4.sub')
}

const integerOps: OpTable['integers'] = {
  abs: plain('i32x4.abs'),
  neg: plain('i32x4.neg'),
  sign: integerSign,
  add: plain('i32x4.add'),
  sub: plain('i32x4.sub'),
  mul: plain('i32x4.mul'),
  div: perLane(integerDiv, 'i32', 2),
  remainder: perLane(integerRemainder, 'i32', 2),
  maximum: plain('i32x4.max_s'),
  minimum: plain('i32x4.min_s'),
}

/** Comparisons of floats, integers and masks. A true mask is -1, so the order of masks is reversed. */
const comparisons = {
  eq: ['f32x4.eq', 'i32x4.eq', 'i32x4.eq'],
  ne: ['f32x4.ne', 'i32x4.ne', 'i32x4.ne'],
  lt: ['f32x4.lt', 'i32x4.lt_s', 'i32x4.gt_s'],
  le: ['f32x4.le', 'i32x4.le_s', 'i32x4.ge_s'],
  gt: ['f32x4.gt', 'i32x4.gt_s', 'i32x4.lt_s'],
  ge: ['f32x4.ge', 'i32x4.ge_s', 'i32x4.le_s'],
} as const

export const vectorOps: OpTable = {
  and: plain('v128.and'),
  or: plain('v128.or'),
  not: plain('v128.not'),
  select: plain('v128.bitselect'),
  cast: vectorCast,
  compare: (direction, operands) => plain(comparisons[direction][isFloat(operands) ? 0 : operands === 'int32' ? 1 : 2]),
  integers: integerOps,
}
