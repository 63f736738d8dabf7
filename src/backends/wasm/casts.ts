/** Casts between all dtypes, for scalars and for vectors. */
import { type DType, isFloat, isHalf } from '../../ir/types.ts'
import { roundVector } from './half.ts'
import { throughVectors } from './lanes.ts'
import { chain, plain, popOne, type StackOp } from './stack-op.ts'

const nothing: StackOp = () => {}

/** Can `to` represent all numbers of `from`? */
const isWider = (from: DType, to: DType): boolean => from === to || to === 'float32'

/**
 * Casts integers to a half type with a single rounding. From 2^24 up, float32 cannot hold the low 8 bits. They are replaced by one sticky bit, which
 * float32 can hold. The conversion to float32 is then exact, and the rounding to the half type is correct.
 */
const integersToHalf: StackOp = (f) => {
  const x = popOne(f, 'v128', 'cast x')
  const magnitude = f.scratch('v128', 'cast magnitude')
  f.get(x)
  f.op('i32x4.abs')
  f.tee(magnitude)
  f.i32x4(-256)
  f.op('v128.and')
  f.get(magnitude)
  f.i32x4(255)
  f.op('v128.and')
  f.i32x4(0)
  f.op('i32x4.ne')
  f.i32x4(256)
  f.op('v128.and', 'v128.or')
  f.get(magnitude)
  f.get(magnitude)
  f.i32x4(2 ** 24)
  f.op('i32x4.ge_u', 'v128.bitselect')
  f.op('f32x4.convert_i32x4_u')
  f.get(x)
  f.i32x4(0x80000000)
  f.op('v128.and', 'v128.or')
}

/** Floats are truncated to integers and saturate; NaN becomes 0. As bool, NaN is true. */
export const vectorCast = (from: DType, to: DType): StackOp => {
  if (from === to) return nothing
  switch (to) {
    case 'bool':
      return (f) => {
        f.i32x4(0)
        f.op(isFloat(from) ? 'f32x4.ne' : 'i32x4.ne')
      }
    case 'int32':
      return plain(from === 'bool' ? 'i32x4.neg' : 'i32x4.trunc_sat_f32x4_s')
    default:
      if (isFloat(from)) return isWider(from, to) || !isHalf(to) ? nothing : roundVector[to]
      if (from === 'bool')
        return (f) => {
          f.f32x4(1)
          f.op('v128.and')
        }
      return isHalf(to) ? chain(integersToHalf, roundVector[to]) : plain('f32x4.convert_i32x4_s')
  }
}

export const scalarCast = (from: DType, to: DType): StackOp => {
  if (from === to) return nothing
  switch (to) {
    case 'bool':
      return isFloat(from)
        ? (f) => {
            f.f32(0)
            f.op('f32.ne')
          }
        : (f) => {
            f.i32(0)
            f.op('i32.ne')
          }
    case 'int32':
      return from === 'bool' ? nothing : plain('i32.trunc_sat_f32_s')
    default:
      if (isFloat(from)) return isWider(from, to) || !isHalf(to) ? nothing : throughVectors(roundVector[to])
      if (from === 'bool' || !isHalf(to)) return plain('f32.convert_i32_s')
      return throughVectors(vectorCast(from, to), 'i32', 'f32')
  }
}
