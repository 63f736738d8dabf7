/** Converts between host arrays and TensorFlow's tensor memory, which is little-endian. Half types have 16 bits there; host arrays hold them as float32. */
import { halfBits, halfFromBits } from '../../ir/rounding.ts'
import { type DType, isHalf } from '../../ir/types.ts'
import { type HostArray, hostArray, type Numbers } from '../backend.ts'
import type { TfDType } from './types.ts'

const arrayOf: { readonly [D in TfDType]: (numbers: readonly number[]) => ArrayBufferView<ArrayBuffer> } = {
  float32: (numbers) => Float32Array.from(numbers),
  float16: (numbers) => Uint16Array.from(numbers, (x) => halfBits('float16', x)),
  bfloat16: (numbers) => Uint16Array.from(numbers, (x) => halfBits('bfloat16', x)),
  int32: (numbers) => Int32Array.from(numbers),
  bool: (numbers) => Uint8Array.from(numbers),
  uint32: (numbers) => Uint32Array.from(numbers),
  uint64: (numbers) => BigUint64Array.from(numbers, BigInt),
  int64: (numbers) => BigInt64Array.from(numbers, BigInt),
}

/** The bytes of a constant. */
export const contentOf = (dtype: TfDType, numbers: readonly number[]): Uint8Array<ArrayBuffer> => {
  const { buffer, byteOffset, byteLength } = arrayOf[dtype](numbers)
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** A host tensor as it is in a tensor's memory. */
export const encode = (dtype: DType, data: Numbers): ArrayBufferView =>
  isHalf(dtype) ? Uint16Array.from(data, (x) => halfBits(dtype, x)) : data

/** A host tensor from a tensor's memory. @param read Copies that memory to an array. */
export const decode = (dtype: DType, length: number, read: (to: ArrayBufferView) => void): HostArray => {
  const data = hostArray(dtype, length)
  if (!isHalf(dtype)) {
    read(data)
    return data
  }
  const halves = new Uint16Array(length)
  read(halves)
  for (let i = 0; i < length; i++) data[i] = halfFromBits(dtype, halves[i] as number)
  return data
}
