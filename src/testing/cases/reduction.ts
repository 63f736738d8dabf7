import { type Arbitrary, fc } from '../fast-check.ts'
import type { ReductionOps, WideReduceAttrs } from '../../ir/signatures.ts'
import { isFloat, type DType, type Float } from '../../ir/types.ts'
import { distinctArb, elementArb, isDistinct, moderate, shapeArb, tensorArb } from '../arbitraries.ts'
import type { CaseInput, CaseTable } from '../op-case.ts'

const numeric: Arbitrary<DType> = fc.constantFrom('float32', 'float32', 'float16', 'bfloat16', 'int32')

/** A tensor and some of its axes. */
export const reducible = (
  dtype: Arbitrary<DType>,
  element?: Arbitrary<number>,
): Arbitrary<{ readonly x: CaseInput; readonly axes: readonly number[]; readonly keepDims: boolean }> =>
  fc.tuple(dtype, shapeArb({}, 4)).chain(([type, shape]) =>
    fc.record({
      x: tensorArb({ dtype: type, shape }, isFloat(type) && element !== undefined ? element : elementArb(type)),
      axes: fc.subarray(shape.map((_, axis) => axis)),
      keepDims: fc.boolean(),
    }),
  )

/** Tensors with ties and without. Gradients are checked on those without. */
const tiedOrNot = (dtype: DType, shape: readonly number[]): Arbitrary<CaseInput> =>
  fc.oneof(tensorArb({ dtype, shape }), ...(isFloat(dtype) ? [distinctArb({ dtype, shape })] : []))

const extremum = <K extends 'reduceMax' | 'reduceMin'>(op: K) =>
  fc
    .tuple(numeric, shapeArb({}, 4))
    .chain(([dtype, shape]) =>
      fc.tuple(tiedOrNot(dtype, shape), fc.subarray(shape.map((_, axis) => axis)), fc.boolean()),
    )
    .map(([x, axes, keepDims]) => ({
      op,
      inputs: [x],
      attrs: { axes, keepDims },
      isSmooth: isFloat(x.type.dtype) && isDistinct(x),
    }))

const logical = <K extends 'reduceAll' | 'reduceAny'>(op: K) =>
  reducible(fc.constant<DType>('bool')).map(({ x, axes, keepDims }) => ({
    op,
    inputs: [x],
    attrs: { axes, keepDims },
    isSmooth: false,
  }))

interface WideCase<K> {
  readonly op: K
  readonly inputs: readonly CaseInput[]
  readonly attrs: WideReduceAttrs
  readonly isSmooth: boolean
}

/** Cases of ops whose result may be wider than the operand. */
export const wide = <K extends 'reduceSum' | 'mean' | 'variance'>(
  op: K,
  dtype: Arbitrary<DType>,
): Arbitrary<WideCase<K>> =>
  fc.tuple(reducible(dtype), fc.boolean()).map(([{ x, axes, keepDims }, isWide]) => {
    const resultDtype: Float | null = isWide && isFloat(x.type.dtype) ? 'float32' : null
    return { op, inputs: [x], attrs: { axes, keepDims, resultDtype }, isSmooth: isFloat(x.type.dtype) }
  })

export const reductionCases: CaseTable<ReductionOps> = {
  reduceSum: wide('reduceSum', numeric),
  reduceMax: extremum('reduceMax'),
  reduceMin: extremum('reduceMin'),
  reduceProd: reducible(
    fc.constantFrom<DType>('float32', 'float16'),
    fc.oneof({ weight: 5, arbitrary: moderate(-1.5, 1.5) }, { weight: 1, arbitrary: fc.constant(0) }),
  ).map(({ x, axes, keepDims }) => ({ op: 'reduceProd', inputs: [x], attrs: { axes, keepDims }, isSmooth: true })),
  reduceAll: logical('reduceAll'),
  reduceAny: logical('reduceAny'),
  argMax: fc.tuple(numeric, shapeArb({ min: 1 }), fc.nat()).chain(([dtype, shape, at]) =>
    tensorArb({ dtype, shape }).map((x) => ({
      op: 'argMax',
      inputs: [x],
      attrs: { axis: at % shape.length },
      isSmooth: false,
    })),
  ),
  topK: fc.tuple(numeric, shapeArb({ min: 1, max: 3 }), fc.nat()).chain(([dtype, shape, at]) =>
    tiedOrNot(dtype, shape).map((x) => ({
      op: 'topK',
      inputs: [x],
      attrs: { k: 1 + (at % (shape.at(-1) ?? 1)) },
      isSmooth: isFloat(dtype) && isDistinct(x),
    })),
  ),
}
