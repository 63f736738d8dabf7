/** Reductions. Half operands are summed in float32. */
import type { ReductionOps } from '../../../ir/signatures.ts'
import { isFloat } from '../../../ir/types.ts'
import { attr } from '../attributes.ts'
import type { FunctionBuilder } from '../function-builder.ts'
import type { LowerFunction } from '../lowering.ts'
import type { TfOpName } from '../tf-ops.ts'
import type { TfType, TfValue } from '../types.ts'
import { equality } from './elementwise.ts'

interface Reduce {
  readonly axes: readonly number[]
  readonly keepDims: boolean
}

const reduced = (name: TfOpName, x: TfValue, { axes, keepDims }: Reduce, type: TfType, f: FunctionBuilder): TfValue =>
  f.op(name, [x, f.ints(axes)], { keep_dims: attr.bool(keepDims) }, type)

const reduction =
  (name: TfOpName): LowerFunction<'reduceMax' | 'reduceMin' | 'reduceAll' | 'reduceAny'> =>
  ({ inputs: [x], attrs, types: [type], f }) => [reduced(name, x, attrs, type, f)]

const wide =
  (name: TfOpName): LowerFunction<'reduceSum' | 'reduceProd'> =>
  ({ inputs: [x], attrs, types: [{ dtype, shape }], f }) => {
    const sumType = isFloat(dtype) ? 'float32' : dtype
    return [f.cast(reduced(name, f.cast(x, sumType), attrs, { dtype: sumType, shape }, f), dtype)]
  }

/** Integers in the order that the reference defines for floats: NaN is the largest, and both zeros are equal. */
const sortKey = (x: TfValue, f: FunctionBuilder): TfValue => {
  if (x.dtype === 'int32') return x
  const { shape } = x
  const [number, flag] = [{ dtype: 'int32', shape } as const, { dtype: 'bool', shape } as const]
  const wideX = f.cast(x, 'float32')
  // It works on the bits, because arithmetic of floats flushes subnormal numbers.
  const signed = f.op('Bitcast', [wideX], { type: attr.type('int32') }, number)
  const isMinusZero = f.op('Equal', [signed, f.scalar('int32', -(2 ** 31))], equality, flag)
  const bits = f.op('SelectV2', [isMinusZero, f.scalar('int32', 0), signed], {}, number)
  const flipped = f.op('BitwiseXor', [bits, f.scalar('int32', 2 ** 31 - 1)], {}, number)
  const isNegative = f.op('Less', [bits, f.scalar('int32', 0)], {}, flag)
  const ordered = f.op('SelectV2', [isNegative, flipped, bits], {}, number)
  return f.op('SelectV2', [f.op('IsNan', [wideX], {}, flag), f.scalar('int32', 2 ** 31 - 1), ordered], {}, number)
}

const lowerArgMax: LowerFunction<'argMax'> = ({ inputs: [x], attrs: { axis }, types: [type], f }) => [
  f.op('ArgMax', [sortKey(x, f), f.scalar('int32', axis)], { output_type: attr.type('int32') }, type),
]

const lowerTopK: LowerFunction<'topK'> = ({ inputs: [x], attrs: { k }, types: [type, indexType], f }) => {
  const key = sortKey(x, f)
  const [values, indices] = f.ops(
    'TopKV2',
    [key, f.scalar('int32', k)],
    { sorted: attr.bool(true), index_type: attr.type('int32') },
    [{ dtype: 'int32', shape: type.shape }, indexType],
  ) as readonly [TfValue, TfValue] // two types
  if (x.dtype === 'int32') return [values, indices]
  const last = type.shape.length - 1
  return [f.op('GatherV2', [x, indices, f.scalar('int32', last)], { batch_dims: attr.int(last) }, type), indices]
}

export const reductionLowering: { readonly [K in keyof ReductionOps]: LowerFunction<K> } = {
  reduceSum: wide('Sum'),
  reduceMax: reduction('Max'),
  reduceMin: reduction('Min'),
  reduceProd: wide('Prod'),
  reduceAll: reduction('All'),
  reduceAny: reduction('Any'),
  argMax: lowerArgMax,
  topK: lowerTopK,
}
