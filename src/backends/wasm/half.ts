/**
 * Half types in vectors: loaded and stored as 16 bits, computed as float32. float16 is IEEE 754 binary16, bfloat16 is the upper half of a binary32.
 * Rounding a float32 result again gives the correctly rounded result: with 24 bits, double rounding of sums, products, quotients and square roots is
 * innocuous (Figueroa 1995).
 */
import type { Half } from '../../ir/types.ts'
import type { FunctionBody } from './encoder.ts'
import { popOne, type StackOp } from './stack-op.ts'

const signBits = 0x80000000 | 0
const quietNan = 0x7fc00000

/** Rounds bits to nearest, ties to even: adds half a unit, minus one if the lowest remaining bit is even, and truncates. */
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

/** Replaces the lanes of the vector on the stack by NaN where the local is NaN. */
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

/**
 * Where |x| < 2^-14, the difference of |x| + 1/2 and 1/2: |x| rounded to a multiple of 2^-24, as a float or, from their bits, as the multiple.
 * Elsewhere what `normal` leaves on the stack. Sets the local `magnitude` to |x|.
 */
const byMagnitude = (
  f: FunctionBody,
  [x, magnitude]: readonly [number, number],
  difference: 'f32x4.sub' | 'i32x4.sub',
  normal: () => void,
): void => {
  f.get(x)
  f.op('f32x4.abs')
  f.tee(magnitude)
  f.f32x4(0.5)
  f.op('f32x4.add')
  f.f32x4(0.5)
  f.op(difference)
  normal()
  f.get(magnitude)
  f.f32x4(2 ** -14)
  f.op('f32x4.lt', 'v128.bitselect')
}

/** Below 2^-14 the unit is 2^-24, which is the unit of float32 numbers from 1/2 to 1. Numbers from 65520 up become infinity. */
const roundFloat16: StackOp = (f) => {
  const x = popOne(f, 'v128', 'half x')
  const [magnitude, rounded] = [f.scratch('v128', 'half magnitude'), f.scratch('v128', 'half rounded')]
  byMagnitude(f, [x, magnitude], 'f32x4.sub', () => roundBits(f, magnitude, 13))
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

/** Rounds to the nearest number of the half type, ties to even. */
export const roundVector: { readonly [H in Half]: StackOp } = { float16: roundFloat16, bfloat16: roundBfloat16 }

/**
 * The exponent of normal numbers moves by 112. Subnormal numbers are multiples of 2^-24. Minimum with infinity, the largest bits that are not NaN.
 */
const encodeFloat16: StackOp = (f) => {
  const x = popOne(f, 'v128', 'half x')
  const magnitude = f.scratch('v128', 'half magnitude')
  byMagnitude(f, [x, magnitude], 'i32x4.sub', () => {
    f.get(magnitude)
    f.i32(13)
    f.op('i32x4.shr_u')
    f.i32x4(112 << 10)
    f.op('i32x4.sub')
    f.i32x4(0x7c00)
    f.op('i32x4.min_s')
  })
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

/** Converts float32 numbers, which must be representable in the half type, to their bits as integers. */
export const encodeVector: { readonly [H in Half]: StackOp } = { float16: encodeFloat16, bfloat16: encodeBfloat16 }

/** The mantissa moves to its place. A multiplication adds 112 to the exponent, which is also correct for subnormal numbers. */
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
  // Infinity and NaN have the largest exponent.
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

/** Converts bits, as integers, to float32. */
export const decodeVector: { readonly [H in Half]: StackOp } = { float16: decodeFloat16, bfloat16: decodeBfloat16 }
