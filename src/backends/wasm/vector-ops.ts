/** Ops on vectors of four lanes. Floats of all types are float32. bool is a mask: all bits of a lane are set, or none. */
import { invariant } from '../../ir/diagnostics.ts'
import { type DType, isFloat } from '../../ir/types.ts'
import { vectorCast } from './casts.ts'
import { elu, selu } from './elementary/elu.ts'
import { erf } from './elementary/erf.ts'
import { exp, expm1 } from './elementary/exp.ts'
import { log, log1p, softplus } from './elementary/log.ts'
import { sigmoid, tanh } from './elementary/sigmoid.ts'
import { type Half, roundVector } from './half.ts'
import { perLane } from './lanes.ts'
import { pow, unaryMath } from './math.ts'
import { directionOf, type Emission, isRounded, type NumberOp, type OpExpr, pushOperands } from './op-emission.ts'
import { remainder } from './remainder.ts'
import { integerDiv, integerRemainder } from './scalar-ops.ts'
import { chain, plain, popOne, type StackOp, withConstants } from './stack-op.ts'

const inverse: StackOp = (f) => {
  const x = popOne(f, 'v128', 'inverse')
  f.f32x4(1)
  f.get(x)
  f.op('f32x4.div')
}

/** NaN and zeros give themselves; other numbers give 1 with the sign of x. */
const floatSign: StackOp = (f) => {
  const x = popOne(f, 'v128', 'sign')
  f.get(x)
  f.f32x4(-0)
  f.op('v128.and')
  f.f32x4(1)
  f.op('v128.or')
  f.get(x)
  f.get(x)
  f.op('f32x4.abs')
  f.f32x4(0)
  f.op('f32x4.gt', 'v128.bitselect')
}

/** pmax(x, 0) gives x where x is NaN or -0. It is one instruction on x64, while max takes several. */
const relu = withConstants([0, 'f32x4.pmax'])

const floatOps: { readonly [K in NumberOp]: StackOp } = {
  abs: plain('f32x4.abs'),
  neg: plain('f32x4.neg'),
  sign: floatSign,
  floor: plain('f32x4.floor'),
  ceil: plain('f32x4.ceil'),
  round: plain('f32x4.nearest'),
  sqrt: plain('f32x4.sqrt'),
  rsqrt: chain(plain('f32x4.sqrt'), inverse),
  reciprocal: inverse,
  relu,
  relu6: chain(relu, withConstants([6, 'f32x4.pmin'])),
  isFinite: chain(plain('f32x4.abs'), withConstants([Infinity, 'f32x4.lt'])),
  add: plain('f32x4.add'),
  sub: plain('f32x4.sub'),
  mul: plain('f32x4.mul'),
  div: plain('f32x4.div'),
  maximum: plain('f32x4.max'),
  minimum: plain('f32x4.min'),
  remainder: perLane(remainder, 'f32', 2),
  pow: perLane(pow, 'f32', 2),
  sin: perLane(unaryMath('sin'), 'f32', 1),
  cos: perLane(unaryMath('cos'), 'f32', 1),
  exp,
  expm1,
  log,
  log1p,
  sigmoid,
  softplus,
  tanh,
  erf,
  elu,
  selu,
}

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

const integerVectorOps: { readonly [K in NumberOp]?: StackOp } = {
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

const opOf = (expr: OpExpr, from: DType): StackOp => {
  switch (expr.op) {
    case 'and':
      return plain('v128.and')
    case 'or':
      return plain('v128.or')
    case 'not':
      return plain('v128.not')
    case 'select':
      return plain('v128.bitselect')
    case 'cast':
      return vectorCast(from, expr.dtype)
    case 'compare':
      return plain(comparisons[directionOf(expr)][isFloat(from) ? 0 : from === 'int32' ? 1 : 2])
    default: {
      const op = isFloat(from) ? floatOps[expr.op] : integerVectorOps[expr.op]
      invariant(op !== undefined, () => `${expr.op} of ${from} does not exist`)
      return isRounded(expr) ? chain(op, roundVector[expr.dtype as Half]) : op
    }
  }
}

/** Puts the result of an op on the stack. */
export const emitVectorOp = (expr: OpExpr, emission: Emission): void => {
  const from = pushOperands(expr, emission)
  opOf(expr, from)(emission.f)
}
