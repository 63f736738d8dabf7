import fc from 'fast-check'
import type { OpName, ReductionOps } from '../../ir/signatures.ts'
import { isFloat, type DType, type Float } from '../../ir/types.ts'
import { elementArb, moderate, shapeArb, tensorArb } from '../arbitraries.ts'
import type { CaseInput, CaseTable, OpCase } from '../op-case.ts'

const numeric: fc.Arbitrary<DType> = fc.constantFrom('float32', 'float32', 'float16', 'bfloat16', 'int32')

/** A tensor and some of its axes. */
export const reducible = (
  dtype: fc.Arbitrary<DType>,
  element?: fc.Arbitrary<number>,
): fc.Arbitrary<{ readonly x: CaseInput; readonly axes: readonly number[]; readonly keepDims: boolean }> =>
  fc.tuple(dtype, shapeArb({}, 4)).chain(([type, shape]) =>
    fc.record({
      x: tensorArb({ dtype: type, shape }, isFloat(type) && element !== undefined ? element : elementArb(type)),
      axes: fc.subarray(shape.map((_, axis) => axis)),
      keepDims: fc.boolean(),
    }),
  )

/** No two elements closer than 1/32: the largest is one and stays it. */
const distinct = (x: CaseInput): boolean => {
  const sorted = [...x.data].sort((a, b) => a - b)
  return sorted.every((v, i) => i === 0 || v - (sorted[i - 1] as number) > 1 / 32)
}

const plain = <K extends OpName>(
  op: K,
  dtype: fc.Arbitrary<DType>,
  isSmooth: (x: CaseInput) => boolean,
): fc.Arbitrary<OpCase<K>> =>
  reducible(dtype).map(
    ({ x, axes, keepDims }) =>
      ({
        op,
        inputs: [x],
        attrs: { axes, keepDims },
        isSmooth: isFloat(x.type.dtype) && isSmooth(x),
      }) as unknown as OpCase<K>,
  ) // ops of ReduceAttrs only

/** The same with a result that may be wider. */
export const wide = <K extends 'reduceSum' | 'mean' | 'variance'>(
  op: K,
  dtype: fc.Arbitrary<DType>,
): fc.Arbitrary<OpCase<K>> =>
  fc.tuple(reducible(dtype), fc.boolean()).map(([{ x, axes, keepDims }, isWide]) => {
    const resultDtype: Float | null = isWide && isFloat(x.type.dtype) ? 'float32' : null
    return {
      op,
      inputs: [x],
      attrs: { axes, keepDims, resultDtype },
      isSmooth: isFloat(x.type.dtype),
    } as unknown as OpCase<K> // ops of WideReduceAttrs only
  })

export const reductionCases: CaseTable<ReductionOps> = {
  reduceSum: wide('reduceSum', numeric),
  reduceMax: plain('reduceMax', numeric, distinct),
  reduceMin: plain('reduceMin', numeric, distinct),
  reduceProd: reducible(
    fc.constantFrom<DType>('float32', 'float16'),
    fc.oneof(moderate(-1.5, 1.5), fc.constant(0)),
  ).map(({ x, axes, keepDims }) => ({ op: 'reduceProd', inputs: [x], attrs: { axes, keepDims }, isSmooth: true })),
  reduceAll: plain('reduceAll', fc.constant<DType>('bool'), () => false),
  reduceAny: plain('reduceAny', fc.constant<DType>('bool'), () => false),
  argMax: fc.tuple(numeric, shapeArb({ min: 1 }), fc.nat()).chain(([dtype, shape, at]) =>
    tensorArb({ dtype, shape }).map((x) => ({
      op: 'argMax',
      inputs: [x],
      attrs: { axis: at % shape.length },
      isSmooth: false,
    })),
  ),
  topK: fc.tuple(numeric, shapeArb({ min: 1, max: 3 }), fc.nat()).chain(([dtype, shape, at]) =>
    tensorArb({ dtype, shape }).map((x) => ({
      op: 'topK',
      inputs: [x],
      attrs: { k: 1 + (at % (shape.at(-1) ?? 1)) },
      isSmooth: isFloat(dtype) && distinct(x),
    })),
  ),
}
