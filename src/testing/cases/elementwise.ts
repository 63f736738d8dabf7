import { type Arbitrary, fc } from '../fast-check.ts'
import { compositeOps } from '../../ir/ops/composite/index.ts'
import { elementwiseOps } from '../../ir/ops/elementwise/index.ts'
import type { ElementwiseComposites, ElementwiseOps, OpName, UnaryOp } from '../../ir/signatures.ts'
import type { DType, Float } from '../../ir/types.ts'
import { elementArb, moderate, shapeArb, tensorArb } from '../arbitraries.ts'
import type { CaseInput, CaseTable, OpCase } from '../op-case.ts'

const float: Arbitrary<Float> = fc.constantFrom('float32', 'float32', 'float16', 'bfloat16')
const numeric: Arbitrary<DType> = fc.oneof(float, fc.constant<DType>('int32'))

/** Excludes elements within 1/16 of a kink of the op. */
const awayFrom =
  (...kinks: readonly number[]) =>
  (x: CaseInput): boolean =>
    x.data.every((v) => kinks.every((kink) => Math.abs(v - kink) > 1 / 16))

interface UnaryOptions {
  readonly dtype?: Arbitrary<DType>
  readonly min?: number
  readonly max?: number
  readonly isSmooth?: (x: CaseInput) => boolean
}

const unary = <K extends OpName>(
  op: K,
  { dtype = float, min = -4, max = 4, isSmooth = () => true }: UnaryOptions = {},
): Arbitrary<OpCase<K>> =>
  fc
    .tuple(dtype, shapeArb())
    .chain(([type, shape]) =>
      tensorArb({ dtype: type, shape }, type === 'int32' || type === 'bool' ? elementArb(type) : moderate(min, max)),
    )
    .map((x) => ({ op, inputs: [x], attrs: {}, isSmooth: isSmooth(x) && x.type.dtype !== 'int32' })) // no unary op here has attributes

interface BinaryOptions {
  readonly dtype?: Arbitrary<DType>
  readonly first?: Arbitrary<number>
  readonly second?: Arbitrary<number>
  readonly isSmooth?: (a: CaseInput, b: CaseInput) => boolean
}

const pair = ({ dtype = numeric, first, second }: BinaryOptions): Arbitrary<readonly [CaseInput, CaseInput]> =>
  fc.tuple(dtype, shapeArb()).chain(([type, shape]) => {
    const element = (given: Arbitrary<number> | undefined) =>
      given === undefined || type === 'int32' || type === 'bool' ? elementArb(type) : given
    return fc.tuple(
      tensorArb({ dtype: type, shape }, element(first)),
      tensorArb({ dtype: type, shape }, element(second)),
    )
  })

const binary = <K extends OpName>(op: K, options: BinaryOptions = {}): Arbitrary<OpCase<K>> =>
  pair(options).map(([a, b]) => ({
    op,
    inputs: [a, b],
    attrs: {},
    isSmooth: a.type.dtype !== 'int32' && (options.isSmooth?.(a, b) ?? true),
  })) // no attributes

const apart = (a: CaseInput, b: CaseInput): boolean =>
  a.data.every((v, i) => Math.abs(v - (b.data[i] as number)) > 1 / 16)
const nonZero: Arbitrary<number> = fc.oneof(moderate(0.25, 4), moderate(-4, -0.25))

/** Has an op of one operand only if numbers can be outside of its domain or near a kink. */
const chosen: CaseTable<Omit<ElementwiseOps, UnaryOp>> & Partial<CaseTable<OneOperand>> = {
  neg: unary('neg', { dtype: numeric }),
  abs: unary('abs', { dtype: numeric, isSmooth: awayFrom(0) }),
  sign: unary('sign', { dtype: numeric }),
  log: unary('log', { min: 0.125 }),
  log1p: unary('log1p', { min: -0.75 }),
  sqrt: unary('sqrt', { min: 0.125 }),
  rsqrt: unary('rsqrt', { min: 0.125 }),
  reciprocal: unary('reciprocal', { min: 0.25 }),
  sigmoid: unary('sigmoid', { min: -12, max: 12 }),
  softplus: unary('softplus', { min: -12, max: 12 }),
  relu: unary('relu', { isSmooth: awayFrom(0) }),
  relu6: unary('relu6', { max: 9, isSmooth: awayFrom(0, 6) }),
  elu: unary('elu', { isSmooth: awayFrom(0) }),
  selu: unary('selu', { isSmooth: awayFrom(0) }),
  not: unary('not', { dtype: fc.constant<DType>('bool') }),
  add: binary('add'),
  sub: binary('sub'),
  mul: binary('mul'),
  div: binary('div', { second: nonZero }),
  pow: binary('pow', { dtype: float, first: moderate(0.25, 3), second: moderate(-3, 3) }),
  maximum: binary('maximum', { isSmooth: apart }),
  minimum: binary('minimum', { isSmooth: apart }),
  remainder: binary('remainder', {
    second: nonZero,
    isSmooth: (a, b) =>
      a.data.every((v, i) => {
        const quotient = v / (b.data[i] as number)
        return Math.abs(quotient - Math.round(quotient)) > 1 / 64
      }),
  }),
  and: binary('and', { dtype: fc.constant<DType>('bool') }),
  or: binary('or', { dtype: fc.constant<DType>('bool') }),
  compare: fc
    .tuple(pair({}), fc.constantFrom('eq', 'ne', 'lt', 'le', 'gt', 'ge'))
    .map(([[a, b], direction]) => ({ op: 'compare', inputs: [a, b], attrs: { direction }, isSmooth: false })),
  select: fc.tuple(pair({}), fc.boolean()).chain(([[a, b], isScalar]) =>
    tensorArb({ dtype: 'bool', shape: isScalar ? [] : a.type.shape }).map((condition) => ({
      op: 'select',
      inputs: [condition, a, b],
      attrs: {},
      isSmooth: a.type.dtype !== 'int32',
    })),
  ),
  cast: fc
    .tuple(
      fc.oneof(numeric, fc.constant<DType>('bool')),
      fc.oneof(numeric, fc.constant<DType>('bool')),
      shapeArb(),
      fc.boolean(),
    )
    .chain(([from, to, shape, relaxed]) =>
      tensorArb({ dtype: from, shape }).map((x) => ({
        op: 'cast',
        inputs: [x],
        attrs: { to, relaxed },
        isSmooth: from !== 'int32' && from !== 'bool' && to !== 'int32' && to !== 'bool',
      })),
    ),
}

type OneOperand = Pick<ElementwiseOps & ElementwiseComposites, UnaryOp>
const oneOperand = Object.values({ ...elementwiseOps, ...compositeOps }).flatMap(({ name, arity, attrs }) =>
  arity === 1 && Object.keys(attrs).length === 0 ? [name] : [],
)

/** `oneOperand` has all ops of one operand and no attributes, `chosen` has all others. */
export const elementwiseCases = {
  ...Object.fromEntries(oneOperand.map((name) => [name, unary(name)])),
  ...chosen,
} as CaseTable<ElementwiseOps & OneOperand>
