/** Element types as TensorFlow names and numbers them (tensorflow/core/framework/types.proto). */
import type { DType, Type } from '../../ir/types.ts'
import { DataType } from './proto/tensorflow_pb.ts'

/** The IR's element types, and types that only values inside a function have. */
export type TfDType = DType | 'uint32' | 'uint64' | 'int64'

export const dataTypes: { readonly [D in TfDType]: DataType } = {
  float32: DataType.DT_FLOAT,
  float16: DataType.DT_HALF,
  bfloat16: DataType.DT_BFLOAT16,
  int32: DataType.DT_INT32,
  bool: DataType.DT_BOOL,
  uint32: DataType.DT_UINT32,
  uint64: DataType.DT_UINT64,
  int64: DataType.DT_INT64,
}

/** The type of a value inside a function. */
export interface TfType {
  readonly dtype: TfDType
  readonly shape: readonly number[]
}

/** A value inside a function. `ref` is its name in the inputs of nodes. */
export interface TfValue extends TfType {
  readonly ref: string
}

export const typeOfValue = ({ dtype, shape }: TfValue): TfType => ({ dtype, shape })
export type { Type }
