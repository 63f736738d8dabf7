/** Ops on scalars. Floats of all types are float32 on the stack, bool is 0 or 1. */
import { invariant } from '../../ir/diagnostics.ts'
import { type DType, isFloat } from '../../ir/types.ts'
import { scalarCast } from './casts.ts'
import { erf } from './elementary/erf.ts'
import { exp, expm1 } from './elementary/exp.ts'
import { log, log1p, softplus } from './elementary/log.ts'
import { sigmoid, tanh } from './elementary/sigmoid.ts'
import { elu, selu } from './elementary/elu.ts'
import { type Half, roundVector } from './half.ts'
import { throughVectors } from './lanes.ts'
import { pow, unaryMath } from './math.ts'
import { directionOf, type Emission, isRounded, type NumberOp, type OpExpr, pushOperands } from './op-emission.ts'
import { remainder } from './remainder.ts'
import { chain, plain, popOne, popped, type StackOp } from './stack-op.ts'

/** NaN and zeros give themselves. */
const floatSign: StackOp = (f) => {
  const x = popOne(f, 'f32', 'sign')
  f.f32(1)
  f.get(x)
  f.op('f32.copysign')
  f.get(x)
  f.get(x)
  f.op('f32.abs')
  f.f32(0)
  f.op('f32.gt', 'select')
}

/** Clamps to the limit on one side. NaN and zeros give themselves. */
const limited =
  (limit: number, beyond: 'f32.lt' | 'f32.gt'): StackOp =>
  (f) => {
    const x = popOne(f, 'f32', 'limited')
    f.f32(limit)
    f.get(x)
    f.get(x)
    f.f32(limit)
    f.op(beyond, 'select')
  }

const inverse: StackOp = (f) => {
  const x = popOne(f, 'f32', 'inverse')
  f.f32(1)
  f.get(x)
  f.op('f32.div')
}

const isFinite32: StackOp = (f) => {
  f.op('f32.abs')
  f.f32(Infinity)
  f.op('f32.lt')
}

/** Operands and results are float32, except the result of isFinite. */
const floatOps: { readonly [K in NumberOp]: StackOp } = {
  abs: plain('f32.abs'),
  neg: plain('f32.neg'),
  sign: floatSign,
  floor: plain('f32.floor'),
  ceil: plain('f32.ceil'),
  round: plain('f32.nearest'),
  sqrt: plain('f32.sqrt'),
  rsqrt: chain(plain('f32.sqrt'), inverse),
  reciprocal: inverse,
  relu: limited(0, 'f32.lt'),
  relu6: chain(limited(0, 'f32.lt'), limited(6, 'f32.gt')),
  isFinite: isFinite32,
  add: plain('f32.add'),
  sub: plain('f32.sub'),
  mul: plain('f32.mul'),
  div: plain('f32.div'),
  maximum: plain('f32.max'),
  minimum: plain('f32.min'),
  remainder,
  pow,
  sin: unaryMath('sin'),
  cos: unaryMath('cos'),
  exp: throughVectors(exp),
  expm1: throughVectors(expm1),
  log: throughVectors(log),
  log1p: throughVectors(log1p),
  sigmoid: throughVectors(sigmoid),
  softplus: throughVectors(softplus),
  tanh: throughVectors(tanh),
  erf: throughVectors(erf),
  elu: throughVectors(elu),
  selu: throughVectors(selu),
}

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

/** The ops that integers have. */
const integerOps: { readonly [K in NumberOp]?: StackOp } = {
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

const opOf = (expr: OpExpr, from: DType): StackOp => {
  switch (expr.op) {
    case 'and':
      return plain('i32.and')
    case 'or':
      return plain('i32.or')
    case 'not':
      return plain('i32.eqz')
    case 'select':
      return plain('select')
    case 'cast':
      return scalarCast(from, expr.dtype)
    case 'compare':
      return plain(comparisons[directionOf(expr)][isFloat(from) ? 0 : 1])
    default: {
      const op = isFloat(from) ? floatOps[expr.op] : integerOps[expr.op]
      invariant(op !== undefined, () => `${expr.op} of ${from} does not exist`)
      return isRounded(expr) ? chain(op, throughVectors(roundVector[expr.dtype as Half])) : op
    }
  }
}

/** Puts the result of an op on the stack. */
export const emitScalarOp = (expr: OpExpr, emission: Emission): void => {
  const from = pushOperands(expr, emission)
  opOf(expr, from)(emission.f)
}
