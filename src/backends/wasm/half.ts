/**
 * Half types in vectors: loaded and stored as 16 bits, float32 in between. float16 is IEEE 754 binary16, bfloat16 the upper half of a binary32. A result
 * of float32 that is rounded once more is right: 24 digits are enough for two roundings of sums, products, quotients and roots to equal one (Figueroa
 * 1995).
 */
import type { DType } from '../../ir/types.ts'
import type { FunctionBody } from './encoder.ts'
import { popOne, type StackOp } from './stack-op.ts'

export type Half = 'float16' | 'bfloat16'
export const isHalf = (dtype: DType): dtype is Half => dtype === 'float16' || dtype === 'bfloat16'

const signBits = 0x80000000 | 0
const quietNan = 0x7fc00000

/** Adds half a unit, less the least bit where the last digit that stays is even, and cuts off: rounds bits to nearest, ties to even. */
const roundBits = (f: FunctionBody, bits: number, dropped: number): void => {
  f.get(bits)
  f.get(bits)
  f.i32(dropped)
  f.op('i32x4.shr_u')
  f.i32x4(1)
  f.op('v128.and', 'i32x4.add')
  f.i32x4(2 ** (dropped - 1) - 1)
  f.op('i32x4.add')
  f.i32x4(-(2 ** dropped))
  f.op('v128.and')
}

/** The vector on the stack where the local is a number, NaN elsewhere. */
const unlessNan = (f: FunctionBody, x: number): void => {
  f.i32x4(quietNan)
  f.get(x)
  f.get(x)
  f.op('f32x4.eq', 'v128.bitselect')
}

const roundBfloat16: StackOp = (f) => {
  const x = popOne(f, 'v128', 'half x')
  roundBits(f, x, 16)
  unlessNan(f, x)
}

/** Below 2^-14 the last digit is 2^-24, which is that of numbers from 1/2 to 1. From 65520 up the result is infinite. */
const roundFloat16: StackOp = (f) => {
  const x = popOne(f, 'v128', 'half x')
  const [magnitude, rounded] = [f.scratch('v128', 'half magnitude'), f.scratch('v128', 'half rounded')]
  f.get(x)
  f.op('f32x4.abs')
  f.tee(magnitude)
  f.f32x4(0.5)
  f.op('f32x4.add')
  f.f32x4(0.5)
  f.op('f32x4.sub')
  roundBits(f, magnitude, 13)
  f.get(magnitude)
  f.f32x4(2 ** -14)
  f.op('f32x4.lt', 'v128.bitselect')
  f.set(rounded)
  f.f32x4(Infinity)
  f.get(rounded)
  f.get(rounded)
  f.f32x4(65536)
  f.op('f32x4.ge', 'v128.bitselect')
  f.get(x)
  f.i32x4(signBits)
  f.op('v128.and', 'v128.or')
  unlessNan(f, x)
}

/** To the nearest number of the half type, ties to even. */
export const roundVector: { readonly [H in Half]: StackOp } = { float16: roundFloat16, bfloat16: roundBfloat16 }

/** Of normal numbers: the exponent moves by 112. Others are that many units of 2^-24. Infinity is the largest that is no NaN. */
const encodeFloat16: StackOp = (f) => {
  const x = popOne(f, 'v128', 'half x')
  const magnitude = f.scratch('v128', 'half magnitude')
  f.get(x)
  f.op('f32x4.abs')
  f.tee(magnitude)
  f.f32x4(0.5)
  f.op('f32x4.add')
  f.f32x4(0.5)
  f.op('i32x4.sub')
  f.get(magnitude)
  f.i32(13)
  f.op('i32x4.shr_u')
  f.i32x4(112 << 10)
  f.op('i32x4.sub')
  f.i32x4(0x7c00)
  f.op('i32x4.min_s')
  f.get(magnitude)
  f.f32x4(2 ** -14)
  f.op('f32x4.lt', 'v128.bitselect')
  f.i32x4(0x7e00)
  f.get(x)
  f.get(x)
  f.op('f32x4.eq', 'v128.bitselect')
  f.get(x)
  f.i32(16)
  f.op('i32x4.shr_u')
  f.i32x4(0x8000)
  f.op('v128.and', 'v128.or')
}

const encodeBfloat16: StackOp = (f) => {
  f.i32(16)
  f.op('i32x4.shr_u')
}

/** From float32 numbers that the half type has to their bits, as integers. */
export const encodeVector: { readonly [H in Half]: StackOp } = { float16: encodeFloat16, bfloat16: encodeBfloat16 }

/** The digits move to their place and the exponent grows by 112, which is right for numbers below the normal ones, too. */
const decodeFloat16: StackOp = (f) => {
  const bits = popOne(f, 'v128', 'half x')
  const magnitude = f.scratch('v128', 'half magnitude')
  f.get(bits)
  f.i32x4(0x7fff)
  f.op('v128.and')
  f.i32(13)
  f.op('i32x4.shl')
  f.f32x4(2 ** 112)
  f.op('f32x4.mul')
  f.tee(magnitude)
  // Infinity and NaN have the highest exponent.
  f.get(magnitude)
  f.f32x4(65536)
  f.op('f32x4.ge')
  f.i32x4(0x7f800000)
  f.op('v128.and', 'v128.or')
  f.get(bits)
  f.i32x4(0x8000)
  f.op('v128.and')
  f.i32(16)
  f.op('i32x4.shl', 'v128.or')
}

const decodeBfloat16: StackOp = (f) => {
  f.i32(16)
  f.op('i32x4.shl')
}

/** From bits, as integers, to float32. */
export const decodeVector: { readonly [H in Half]: StackOp } = { float16: decodeFloat16, bfloat16: decodeBfloat16 }
