/** Elementwise ops. TensorFlow's binary ops repeat operands by themselves, so broadcasts before them become no nodes. */
import type { BinaryOp, ElementwiseOps, UnaryOp } from '../../../ir/signatures.ts'
import { isFloat, sameShape } from '../../../ir/types.ts'
import { attr } from '../attributes.ts'
import type { FunctionBuilder } from '../function-builder.ts'
import type { LowerFunction, Scope } from '../lowering.ts'
import { onMatrix } from './matrices.ts'
import { asRows } from './narrow-vectors.ts'
import type { TfOpName } from '../tf-ops.ts'
import type { TfValue } from '../types.ts'

const unary =
  (name: TfOpName): LowerFunction<UnaryOp> =>
  ({ inputs: [x], types: [type], f }) => [f.op(name, [x], {}, type)]

/** Functions that compute in float32, because TensorFlow's kernels for half types are inexact or missing. */
const unaryInFloat32 =
  (name: TfOpName): LowerFunction<UnaryOp> =>
  ({ inputs: [x], types: [{ dtype, shape }], f }) => [
    f.cast(f.op(name, [f.cast(x, 'float32')], {}, { dtype: 'float32', shape }), dtype),
  ]

const binary =
  (name: TfOpName): LowerFunction<BinaryOp> =>
  ({ types: [type], f, scope }) => {
    const operands = [scope.repeating(0), scope.repeating(1)] as const
    const rows = scope.forms.repeatsVectors ? asRows(operands, type, scope, f) : null
    if (rows !== null) return [f.reshape(f.op(name, rows.operands, {}, rows.type), type.shape)]
    return [f.op(name, operands, {}, type)]
  }

const lowerAdd: LowerFunction<'add'> = (args) => {
  const { inputs, types, f, scope } = args
  // TensorFlow's graph optimiser fuses a contraction with a bias in this form.
  for (const [x, at] of [
    [inputs[0], 1],
    [inputs[1], 0],
  ] as const) {
    const bias = x.shape.length >= 2 ? scope.repeatedVector(at) : null
    if (bias !== null && isFloat(types[0].dtype) && scope.contractions.has(x.ref))
      return [
        noted(
          onMatrix(x, types[0], args, (rows, type) =>
            f.op('BiasAdd', [rows, bias], { data_format: attr.string('NHWC') }, type),
          ),
          scope,
        ),
      ]
  }
  const terms = [scope.repeating(0), scope.repeating(1)] as const
  // TensorFlow's graph optimiser fuses a contraction and its bias with another tensor in this form.
  if (terms.some(({ ref }) => scope.biased.has(ref)) && sameShape(terms[0].shape, terms[1].shape))
    return [f.op('AddN', terms, { N: attr.int(terms.length) }, types[0])]
  return binary('AddV2')(args as never)
}

/** Notes the sum of a contraction and a bias, so that another tensor that is added to it can be fused. */
const noted = (sum: TfValue, scope: Scope): TfValue => {
  // A sum that is computed as a matrix is a Reshape here.
  if (sum.dtype === 'float32' && !scope.matrices.has(sum.ref)) scope.biased.add(sum.ref)
  return sum
}

/** Handles the divisors 0 and -1 separately: TensorFlow fails for 0, and the processor traps on the smallest integer divided by -1. */
const integerQuotient = (
  name: 'TruncateDiv' | 'TruncateMod',
  f: FunctionBuilder,
  a: TfValue,
  b: TfValue,
  shape: readonly number[],
): TfValue => {
  const number = { dtype: 'int32', shape } as const
  const flag = { dtype: 'bool', shape } as const
  const whole = f.broadcastTo(b, shape)
  const [zero, one] = [f.scalar('int32', 0), f.scalar('int32', 1)]
  const isZero = f.op('Equal', [whole, zero], equality, flag)
  const isMinusOne = f.op('Equal', [whole, f.scalar('int32', -1)], equality, flag)
  const isOdd = f.op('LogicalOr', [isZero, isMinusOne], {}, flag)
  const safe = f.op('SelectV2', [isOdd, one, whole], {}, number)
  const plain = f.op(name, [a, safe], {}, number)
  const ofMinusOne = name === 'TruncateDiv' ? f.op('Sub', [zero, a], {}, { dtype: 'int32', shape: a.shape }) : zero
  const odd = f.op('SelectV2', [isZero, zero, ofMinusOne], {}, number)
  return f.op('SelectV2', [isOdd, odd, plain], {}, number)
}

export const equality = { incompatible_shape_error: attr.bool(true) }

const lowerDiv: LowerFunction<'div'> = (args) => {
  const { types, f, scope } = args
  return types[0].dtype === 'int32'
    ? [integerQuotient('TruncateDiv', f, scope.repeating(0), scope.repeating(1), types[0].shape)]
    : binary('RealDiv')(args as never)
}

const lowerRemainder: LowerFunction<'remainder'> = ({ types: [{ dtype, shape }], f, scope }) => {
  if (dtype === 'int32') return [integerQuotient('TruncateMod', f, scope.repeating(0), scope.repeating(1), shape)]
  const [a, b] = [f.cast(scope.repeating(0), 'float32'), f.cast(scope.repeating(1), 'float32')]
  return [f.cast(f.op('TruncateMod', [a, b], {}, { dtype: 'float32', shape }), dtype)]
}

const lowerPow: LowerFunction<'pow'> = ({ types: [{ dtype, shape }], f, scope }) => {
  const [a, b] = [f.cast(scope.repeating(0), 'float32'), f.cast(scope.repeating(1), 'float32')]
  const wide = { dtype: 'float32', shape } as const
  // C's pow() returns NaN for 1 to the power of a signalling NaN.
  const one = f.scalar('float32', 1)
  const isOne = f.op('Equal', [a, one], equality, { dtype: 'bool', shape: a.shape })
  return [f.cast(f.op('SelectV2', [isOne, one, f.op('Pow', [a, b], {}, wide)], {}, wide), dtype)]
}

/** A quotient, which is rounded once. TensorFlow's Reciprocal is only an estimate. */
const lowerReciprocal: LowerFunction<'reciprocal'> = ({ inputs: [x], types: [{ dtype, shape }], f }) => [
  f.cast(f.op('RealDiv', [f.scalar('float32', 1), f.cast(x, 'float32')], {}, { dtype: 'float32', shape }), dtype),
]

/** TensorFlow's own op if it may be fused, which loses NaN; otherwise a maximum, which TensorFlow never fuses. */
const clamped =
  (name: 'Relu' | 'Relu6', most: number | null): LowerFunction<'relu' | 'relu6'> =>
  ({ inputs: [x], types: [type], f, scope }) => {
    if (scope.mayLoseNan) return [onMatrix(x, type, { f, scope }, (rows, ofRows) => f.op(name, [rows], {}, ofRows))]
    const positive = f.op('Maximum', [x, f.scalar(type.dtype, 0)], {}, type)
    return [most === null ? positive : f.op('Minimum', [positive, f.scalar(type.dtype, most)], {}, type)]
  }

const comparisons = {
  eq: 'Equal',
  ne: 'NotEqual',
  lt: 'Less',
  le: 'LessEqual',
  gt: 'Greater',
  ge: 'GreaterEqual',
} as const

const lowerCompare: LowerFunction<'compare'> = ({ attrs: { direction }, types: [type], f, scope }) => {
  const operands = [scope.repeating(0), scope.repeating(1)].map((x) => (x.dtype === 'bool' ? f.cast(x, 'int32') : x))
  return [f.op(comparisons[direction], operands, direction === 'eq' || direction === 'ne' ? equality : {}, type)]
}

/** float32 to int32: rounds toward zero, saturates, and converts NaN to 0. In TensorFlow the last two depend on the processor. */
const toInt32 = (x: TfValue, f: FunctionBuilder): TfValue => {
  const { shape } = x
  const [number, flag] = [{ dtype: 'float32', shape } as const, { dtype: 'bool', shape } as const]
  const isNan = f.op('IsNan', [x], {}, flag)
  const isLarge = f.op('GreaterEqual', [x, f.scalar('float32', 2 ** 31)], {}, flag)
  const finite = f.op(
    'SelectV2',
    [f.op('LogicalOr', [isNan, isLarge], {}, flag), f.scalar('float32', 0), x],
    {},
    number,
  )
  const low = f.op('Maximum', [finite, f.scalar('float32', -(2 ** 31))], {}, number)
  const whole = f.cast(low, 'int32')
  return f.op('SelectV2', [isLarge, f.scalar('int32', 2 ** 31 - 1), whole], {}, { dtype: 'int32', shape })
}

const lowerCast: LowerFunction<'cast'> = ({ attrs: { to }, inputs: [x], types: [type], f }) => {
  if (x.dtype === to) return [x]
  if (to === 'bool') return [f.op('NotEqual', [x, f.scalar(x.dtype, 0)], equality, type)]
  if (to === 'int32' && x.dtype !== 'bool') return [toInt32(f.cast(x, 'float32'), f)]
  return [f.cast(x, to)]
}

const lowerSelect: LowerFunction<'select'> = ({ types: [type], f, scope }) => [
  f.op('SelectV2', [scope.repeating(0), scope.repeating(1), scope.repeating(2)], {}, type),
]

export const elementwiseLowering: { readonly [K in keyof ElementwiseOps]: LowerFunction<K> } = {
  neg: unary('Neg'),
  abs: unary('Abs'),
  sign: unary('Sign'),
  floor: unary('Floor'),
  ceil: unary('Ceil'),
  round: unaryInFloat32('Rint'),
  exp: unaryInFloat32('Exp'),
  expm1: unaryInFloat32('Expm1'),
  log: unaryInFloat32('Log'),
  log1p: unaryInFloat32('Log1p'),
  sqrt: unaryInFloat32('Sqrt'),
  rsqrt: unaryInFloat32('Rsqrt'),
  reciprocal: lowerReciprocal,
  sin: unaryInFloat32('Sin'),
  cos: unaryInFloat32('Cos'),
  tanh: unaryInFloat32('Tanh'),
  erf: unaryInFloat32('Erf'),
  sigmoid: unaryInFloat32('Sigmoid'),
  softplus: unaryInFloat32('Softplus'),
  relu: clamped('Relu', null),
  relu6: clamped('Relu6', 6),
  elu: unaryInFloat32('Elu'),
  selu: unaryInFloat32('Selu'),
  not: unary('LogicalNot'),
  isFinite: unary('IsFinite'),
  add: lowerAdd,
  sub: binary('Sub'),
  mul: binary('Mul'),
  div: lowerDiv,
  pow: lowerPow,
  maximum: binary('Maximum'),
  minimum: binary('Minimum'),
  remainder: lowerRemainder,
  and: binary('LogicalAnd'),
  or: binary('LogicalOr'),
  compare: lowerCompare,
  select: lowerSelect,
  cast: lowerCast,
}
