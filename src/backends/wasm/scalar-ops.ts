/** Ops on scalars: logic, casts, comparisons and integer arithmetic. float-ops.ts has the arithmetic on floats. bool is 0 or 1. */
import { isFloat } from '../../ir/types.ts'
import { scalarCast } from './casts.ts'
import type { OpTable } from './op-emission.ts'
import { plain, popOne, popped, type StackOp } from './stack-op.ts'

const negative: StackOp = (f) => {
  const x = popOne(f, 'i32', 'negative')
  f.i32(0)
  f.get(x)
  f.op('i32.sub')
}

/** (x ^ s) - s, where all bits of s are the sign of x. */
const integerAbs: StackOp = (f) => {
  const [x, sign] = [popOne(f, 'i32', 'abs'), f.scratch('i32', 'abs sign')]
  f.get(x)
  f.get(x)
  f.i32(31)
  f.op('i32.shr_s')
  f.tee(sign)
  f.op('i32.xor')
  f.get(sign)
  f.op('i32.sub')
}

const integerSign: StackOp = (f) => {
  const x = popOne(f, 'i32', 'sign')
  f.get(x)
  f.i32(0)
  f.op('i32.gt_s')
  f.get(x)
  f.i32(0)
  f.op('i32.lt_s', 'i32.sub')
}

const chosen =
  (test: 'i32.gt_s' | 'i32.lt_s'): StackOp =>
  (f) => {
    const [a, b] = popped(f, 'i32', 'chosen', 2) as [number, number]
    f.get(a)
    f.get(b)
    f.get(a)
    f.get(b)
    f.op(test, 'select')
  }

/**
 * The division instruction traps for a divisor of 0, and for the smallest number divided by -1. So `special` computes the result for the divisors 0
 * and -1.
 */
const dividing =
  (name: 'i32.div_s' | 'i32.rem_s', special: (a: number, b: number) => StackOp): StackOp =>
  (f) => {
    const [a, b] = popped(f, 'i32', 'dividing', 2) as [number, number]
    f.get(b)
    f.i32(1)
    f.op('i32.add')
    f.i32(2)
    f.op('i32.lt_u')
    f.branch(
      () => special(a, b)(f),
      () => {
        f.get(a)
        f.get(b)
        f.op(name)
      },
      'i32',
    )
  }

/** Division by 0 gives 0. For -1 the result is -a, which wraps around. Both are -a & b. */
export const integerDiv = dividing('i32.div_s', (a, b) => (f) => {
  f.i32(0)
  f.get(a)
  f.op('i32.sub')
  f.get(b)
  f.op('i32.and')
})

export const integerRemainder = dividing('i32.rem_s', () => (f) => f.i32(0))

const integerOps: OpTable['integers'] = {
  abs: integerAbs,
  neg: negative,
  sign: integerSign,
  add: plain('i32.add'),
  sub: plain('i32.sub'),
  mul: plain('i32.mul'),
  div: integerDiv,
  remainder: integerRemainder,
  maximum: chosen('i32.gt_s'),
  minimum: chosen('i32.lt_s'),
}

const comparisons = {
  eq: ['f32.eq', 'i32.eq'],
  ne: ['f32.ne', 'i32.ne'],
  lt: ['f32.lt', 'i32.lt_s'],
  le: ['f32.le', 'i32.le_s'],
  gt: ['f32.gt', 'i32.gt_s'],
  ge: ['f32.ge', 'i32.ge_s'],
} as const

export const scalarOps: OpTable = {
  and: plain('i32.and'),
  or: plain('i32.or'),
  not: plain('i32.eqz'),
  select: plain('select'),
  cast: scalarCast,
  compare: (direction, operands) => plain(comparisons[direction][isFloat(operands) ? 0 : 1]),
  integers: integerOps,
}
