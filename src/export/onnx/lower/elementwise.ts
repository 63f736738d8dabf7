/**
 * Lowers elementwise ops. Where ONNX leaves a case undefined (integer division by 0, a cast of NaN to an integer), additional nodes give the result
 * that the IR defines.
 */
import type { BinaryOp, ElementwiseOps, OpAttrs, UnaryOp } from '../../../ir/signatures.ts'
import { isFloat, type Type } from '../../../ir/types.ts'
import type { Held, Planner } from '../planner.ts'
import { type Call, castTo, elementTypes, type LowerFunction, type Lowering, pointwise } from '../lowering.ts'

type Unary = LowerFunction<UnaryOp>
type Binary = LowerFunction<BinaryOp>

const unary =
  (op: string): Unary =>
  ({ inputs: [x], types: [type], plan }) => [
    pointwise([x], type, plan, (names, call) => call(op, names, { isMain: true })),
  ]

const composed =
  (emit: (x: string, call: Call, number: (value: number) => string) => string): Unary =>
  ({ inputs: [x], types: [type], plan }) => [
    pointwise([x], type, plan, ([name = ''], call) => emit(name, call, (value) => plan.number(x.type.dtype, value))),
  ]

const binary =
  (op: string): Binary =>
  ({ inputs, types: [type], plan }) => [
    pointwise(inputs, type, plan, (names, call) => call(op, names, { isMain: true })),
  ]

/** A bias that follows a contraction becomes an operand of the contraction. */
const lowerAdd: Binary = (args) => {
  const {
    inputs: [a, b],
    types: [type],
    plan,
    isOnlyUse,
  } = args
  for (const [index, x, bias] of [[0, a, b] as const, [1, b, a] as const]) {
    const isWaiting = x.pending !== undefined && Object.keys(x.names).length === 0
    if (!isWaiting || !isOnlyUse(index) || !plan.isVector(bias)) continue
    return [plan.made(type, x.pending?.(bias) ?? '', x.pendingLayout)]
  }
  return binary('Add')(args)
}

/** ONNX's Sign does not keep NaN and the sign of zero. */
const lowerSign = composed((x, call, number) => {
  const isNonZero = call('Greater', [call('Abs', [x]), number(0)], { dtype: 'bool' })
  return call('Where', [isNonZero, call('Sign', [x]), x], { isMain: true })
})

/** Near 0 it is 2 t / (1 - t) with t = tanh(x / 2), because exp(x) - 1 would lose digits. */
const lowerExpm1 = composed((x, call, number) => {
  const t = call('Tanh', [call('Mul', [x, number(0.5)])])
  const near = call('Div', [call('Mul', [t, number(2)]), call('Sub', [number(1), t])])
  const far = call('Sub', [call('Exp', [x]), number(1)])
  return call('Where', [call('Less', [call('Abs', [x]), number(0.5)], { dtype: 'bool' }), near, far], { isMain: true })
})

/** Kahan's method: the rounding error of 1 + x also affects its logarithm, and the quotient cancels it. */
const lowerLog1p = composed((x, call, number) => {
  const sum = call('Add', [x, number(1)])
  const quotient = call('Div', [call('Mul', [x, call('Log', [sum])]), call('Sub', [sum, number(1)])])
  const isNear = call('Equal', [sum, number(1)], { dtype: 'bool' })
  const isFar = call('Greater', [call('Abs', [x]), number(0.5)], { dtype: 'bool' })
  return call('Where', [isNear, x, call('Where', [isFar, call('Log', [sum]), quotient])], { isMain: true })
})

const lowerIsFinite: Unary = ({ inputs: [x], types: [type], plan }) => [
  pointwise([x], type, plan, ([name = ''], call) => {
    const magnitude = call('Abs', [name], { dtype: x.type.dtype })
    return call('Less', [magnitude, plan.number(x.type.dtype, Infinity)], { isMain: true })
  }),
]

/** Integer division with a divisor that is never 0 or -1. Processors trap on 0, and on -1 if the dividend is the smallest integer. */
const byInteger =
  (
    emit: (x: string, y: string, safe: string, isZero: string, isMinusOne: string, call: Call, plan: Planner) => string,
    float: Binary,
  ): Binary =>
  (args) => {
    const { inputs, types, plan } = args
    const [type] = types
    if (type.dtype !== 'int32') return float(args)
    return [
      pointwise(inputs, type, plan, ([x = '', y = ''], call) => {
        const [isZero, isMinusOne] = [0, -1].map((value) =>
          call('Equal', [y, plan.number('int32', value)], { dtype: 'bool' }),
        ) as [string, string]
        const isEither = call('Or', [isZero, isMinusOne], { dtype: 'bool' })
        const safe = call('Where', [isEither, plan.number('int32', 1), y])
        return emit(x, y, safe, isZero, isMinusOne, call, plan)
      }),
    ]
  }

const lowerDiv = byInteger((x, _y, safe, isZero, isMinusOne, call, plan) => {
  const quotient = call('Where', [isMinusOne, call('Neg', [x]), call('Div', [x, safe])])
  return call('Where', [isZero, plan.number('int32', 0), quotient], { isMain: true })
}, binary('Div'))

/** Truncated, as in C. The remainder by 1 is 0, so divisors 0 and -1 need no other node. */
const lowerRemainder = byInteger(
  (x, _y, safe, _isZero, _isMinusOne, call) => call('Mod', [x, safe], { attributes: { fmod: 1 }, isMain: true }),
  ({ inputs, types: [type], plan }) => [
    pointwise(inputs, type, plan, (names, call) => call('Mod', names, { attributes: { fmod: 1 }, isMain: true })),
  ],
)

const comparisons: { readonly [D in OpAttrs<'compare'>['direction']]: readonly [op: string, isNegated?: true] } = {
  eq: ['Equal'],
  ne: ['Equal', true],
  lt: ['Less'],
  le: ['LessOrEqual'],
  gt: ['Greater'],
  ge: ['GreaterOrEqual'],
}

const lowerCompare: LowerFunction<'compare'> = ({ attrs: { direction }, inputs, types: [type], plan }) => {
  // ONNX compares only numbers.
  const operands = inputs.map((x) => (x.type.dtype === 'bool' ? castTo(x, 'int32', plan) : x))
  const [op, isNegated = false] = comparisons[direction]
  return [
    pointwise(operands, type, plan, (names, call) => {
      const holds = call(op, names, { isMain: !isNegated })
      return isNegated ? call('Not', [holds], { isMain: true }) : holds
    }),
  ]
}

const lowerSelect: LowerFunction<'select'> = ({ inputs, types: [type], plan }) => [
  pointwise(inputs, type, plan, (names, call) => call('Where', names, { isMain: true })),
]

/** The largest float32 below 2^31. */
const intFloatMax = 2 ** 31 - 128

const lowerCast: LowerFunction<'cast'> = ({ attrs: { to }, inputs: [x], types: [type], plan }) => [
  to === 'int32' && isFloat(x.type.dtype) ? saturated(castTo(x, 'float32', plan), type, plan) : castTo(x, to, plan),
]

const saturated = (x: Held, type: Type, plan: Planner): Held =>
  pointwise([x], type, plan, ([name = ''], call) => {
    const float = (value: number): string => plan.number('float32', value)
    const isNumber = call('Equal', [name, name], { dtype: 'bool' })
    const number = call('Where', [isNumber, name, float(0)], { dtype: 'float32' })
    const clipped = call('Clip', [number, float(-(2 ** 31)), float(intFloatMax)], { dtype: 'float32' })
    const isBeyond = call('Greater', [number, float(intFloatMax)], { dtype: 'bool' })
    const whole = call('Cast', [clipped], { attributes: { to: elementTypes.int32 } })
    return call('Where', [isBeyond, plan.number('int32', 2 ** 31 - 1), whole], { isMain: true })
  })

export const elementwiseLowering: { readonly [K in keyof ElementwiseOps]?: Lowering<K> | undefined } = {
  neg: unary('Neg'),
  abs: unary('Abs'),
  sign: lowerSign,
  floor: unary('Floor'),
  ceil: unary('Ceil'),
  round: unary('Round'),
  exp: unary('Exp'),
  expm1: lowerExpm1,
  log: unary('Log'),
  log1p: lowerLog1p,
  sqrt: unary('Sqrt'),
  rsqrt: composed((x, call) => call('Reciprocal', [call('Sqrt', [x])], { isMain: true })),
  reciprocal: unary('Reciprocal'),
  sin: unary('Sin'),
  cos: unary('Cos'),
  tanh: unary('Tanh'),
  erf: unary('Erf'),
  sigmoid: unary('Sigmoid'),
  softplus: unary('Softplus'),
  relu: unary('Relu'),
  relu6: composed((x, call, number) => call('Clip', [x, number(0), number(6)], { isMain: true })),
  elu: unary('Elu'),
  selu: unary('Selu'),
  not: unary('Not'),
  isFinite: lowerIsFinite,
  add: lowerAdd,
  sub: binary('Sub'),
  mul: binary('Mul'),
  div: lowerDiv,
  pow: binary('Pow'),
  maximum: binary('Max'),
  minimum: binary('Min'),
  remainder: lowerRemainder,
  and: binary('And'),
  or: binary('Or'),
  compare: lowerCompare,
  select: lowerSelect,
  cast: lowerCast,
}
