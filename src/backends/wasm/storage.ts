/** How numbers of each dtype are stored in memory, and how vectors of them are built. */
import type { DType } from '../../ir/types.ts'
import type { LoopExpr } from '../codegen/loops/loops.ts'
import type { FunctionBody, ValueType } from './encoder.ts'
import { decodeVector, encodeVector } from './half.ts'
import { throughVectors } from './lanes.ts'
import { popOne, type StackOp } from './stack-op.ts'

/** The size of an element in bytes. */
export const widthOf = (dtype: DType): number => {
  switch (dtype) {
    case 'bool':
      return 1
    case 'float16':
    case 'bfloat16':
      return 2
    default:
      return 4
  }
}

/** The value type of a scalar, or of four lanes, in a function. */
export const valueType = (dtype: DType, lanes: 1 | 4 = 1): ValueType =>
  lanes === 4 ? 'v128' : dtype === 'int32' || dtype === 'bool' ? 'i32' : 'f32'

/** Replaces the address on the stack by the elements at that address plus `offset` bytes. */
export const emitLoad = (f: FunctionBody, dtype: DType, lanes: 1 | 4, offset = 0): void => {
  switch (dtype) {
    case 'float32':
      f.memory(lanes === 4 ? 'v128.load' : 'f32.load', offset)
      break
    case 'int32':
      f.memory(lanes === 4 ? 'v128.load' : 'i32.load', offset)
      break
    case 'bool':
      f.memory(lanes === 4 ? 'v128.load32_zero' : 'i32.load8_u', offset)
      if (lanes === 4) f.op('i16x8.extend_low_i8x16_u', 'i32x4.extend_low_i16x8_u', 'i32x4.neg')
      break
    default:
      f.memory(lanes === 4 ? 'v128.load16x4_u' : 'i32.load16_u', offset)
      if (lanes === 4) decodeVector[dtype](f)
      else throughVectors(decodeVector[dtype], 'i32', 'f32')(f)
  }
}

/** Takes an address and elements from the stack. Elements of a half type are already rounded. */
export const emitStore = (f: FunctionBody, dtype: DType, lanes: 1 | 4, offset = 0): void => {
  switch (dtype) {
    case 'float32':
      f.memory(lanes === 4 ? 'v128.store' : 'f32.store', offset)
      break
    case 'int32':
      f.memory(lanes === 4 ? 'v128.store' : 'i32.store', offset)
      break
    case 'bool':
      if (lanes === 1) f.memory('i32.store8', offset)
      else {
        f.i32x4(1)
        f.op('v128.and')
        narrow('i16x8.narrow_i32x4_u')(f)
        narrow('i8x16.narrow_i16x8_u')(f)
        f.laneMemory('v128.store32_lane', 0, offset)
      }
      break
    default:
      if (lanes === 1) {
        throughVectors(encodeVector[dtype], 'f32', 'i32')(f)
        f.memory('i32.store16', offset)
      } else {
        encodeVector[dtype](f)
        narrow('i16x8.narrow_i32x4_u')(f)
        f.laneMemory('v128.store64_lane', 0, offset)
      }
  }
}

/** Narrows lanes to half of their width. The upper half of the vector repeats the lower half. */
const narrow =
  (name: 'i16x8.narrow_i32x4_u' | 'i8x16.narrow_i16x8_u'): StackOp =>
  (f) => {
    const x = popOne(f, 'v128', 'narrow')
    f.get(x)
    f.get(x)
    f.op(name)
  }

export const emitConstant = (f: FunctionBody, value: number, dtype: DType): void => {
  if (valueType(dtype) === 'f32') f.f32(value)
  else f.i32(value)
}

/** A vector with one number in all lanes. */
export const emitConstantVector = (f: FunctionBody, value: number, dtype: DType): void => {
  if (dtype === 'bool') f.i32x4(value === 0 ? 0 : -1)
  else if (dtype === 'int32') f.i32x4(value)
  else f.f32x4(value)
}

/** Replaces the number on the stack by a vector with the number in all lanes. */
export const emitSplat = (f: FunctionBody, dtype: DType): void => {
  f.op(valueType(dtype) === 'f32' ? 'f32x4.splat' : 'i32x4.splat')
  if (dtype === 'bool') f.op('i32x4.neg')
}

/** Puts a vector of four numbers on the stack. */
export const emitLanes = (
  f: FunctionBody,
  dtype: DType,
  numbers: readonly LoopExpr[],
  push: (number: LoopExpr) => void,
): void => {
  const isFloat = valueType(dtype) === 'f32'
  const constants = numbers.flatMap((number) => (number.kind === 'constant' ? [number.value] : []))
  if (constants.length === 4)
    f.vector(new Uint8Array((isFloat ? Float32Array.from(constants) : Int32Array.from(constants)).buffer))
  else
    numbers.forEach((number, lane) => {
      push(number)
      if (lane === 0) f.op(isFloat ? 'f32x4.splat' : 'i32x4.splat')
      else f.lane(isFloat ? 'f32x4.replace_lane' : 'i32x4.replace_lane', lane)
    })
  if (dtype === 'bool') f.op('i32x4.neg')
}
