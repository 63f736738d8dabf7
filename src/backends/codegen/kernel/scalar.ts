/** Scalar ops with the reference semantics of the IR, for interpreters. */
import { opDef } from '../../../ir/ops/index.ts'
import type { RefTensor } from '../../../ir/op-def.ts'
import { roundTo, wrapInt32 } from '../../../ir/rounding.ts'
import type { OpAttrs } from '../../../ir/signatures.ts'
import { type DType, isFloat } from '../../../ir/types.ts'
import type { ScalarOp } from './kernel.ts'

export interface Scalar {
  readonly value: number
  readonly dtype: DType
}

export interface ScalarCall {
  readonly op: ScalarOp
  readonly attrs: OpAttrs<ScalarOp>
  readonly dtype: DType
}

export const applyScalar = ({ op, attrs, dtype }: ScalarCall, args: readonly Scalar[]): number => {
  const inputs = args.map((arg): RefTensor => ({ dtype: arg.dtype, shape: [], data: Float64Array.of(arg.value) }))
  // The definition belongs to the op of these arguments. Elementwise ops do not use a context.
  const { evalRef } = opDef(op) as { evalRef(args: object): readonly Float64Array[] }
  const [result] = evalRef({ inputs, attrs, types: [{ dtype, shape: [] }] })
  return roundToType(result?.[0] as number, dtype)
}

export const roundToType = (value: number, dtype: DType): number =>
  isFloat(dtype) ? roundTo(dtype, value) : dtype === 'int32' ? wrapInt32(value) : value
