/**
 * exp and expm1 on float32 vectors. Argument reduction: x = n ln 2 + r, with an integer n and |r| <= ln 2 / 2; exp(x) = 2^n exp(r). The coefficients
 * are minimax fits. Errors against float64 (test/backends/wasm/elementary.test.ts): at most 2 ulp.
 */
import type { FunctionBody } from '../encoder.ts'
import { polynomial, popOne, type StackOp, withSign } from '../stack-op.ts'

/**
 * ln 2 as a sum of two parts. The first part has so few digits that its products with n are exact (Cody and Waite, Software Manual for the Elementary
 * Functions, 1980).
 */
const [ln2High, ln2Low] = [0.693359375, -2.1219444e-4]

/** Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. Subtracting it again gives the rounded number. */
export const magic = 12582912
const magicBits = 0x4b400000
const oneBits = 0x3f800000

/** exp(r) = 1 + r + r^2 q(r). Relative error: 1.3e-8 of exp(r) - 1, 3e-9 of exp(r). Highest power first. */
const coefficients = [1.388251009e-3, 8.366580335e-3, 4.166720178e-2, 0.1666654318, 0.4999999814]

/** Clamps, and keeps NaN: pmin and pmax return their first operand if it is NaN. */
export const clamp = (f: FunctionBody, least: number, largest: number): void => {
  f.f32x4(largest)
  f.op('f32x4.pmin')
  f.f32x4(least)
  f.op('f32x4.pmax')
}

interface Reduced {
  /** exp(r) - 1. */
  readonly fraction: number
  /** n as an integer. */
  readonly power: number
}

/** Takes x from the stack. x is clamped to [`least`, 89]. */
const reduced = (f: FunctionBody, least: number): Reduced => {
  clamp(f, least, 89)
  const r = popOne(f, 'v128', 'exp r')
  const n = f.scratch('v128', 'exp n')
  const power = f.scratch('v128', 'exp power')
  f.get(r)
  f.f32x4(Math.LOG2E)
  f.multiplyAdd(() => f.f32x4(magic))
  f.tee(power)
  f.f32x4(magic)
  f.op('f32x4.sub')
  f.set(n)
  for (const part of [ln2High, ln2Low]) {
    f.get(n)
    f.f32x4(-part)
    f.multiplyAdd(() => f.get(r))
    f.set(r)
  }
  f.get(power)
  f.i32x4(magicBits)
  f.op('i32x4.sub')
  f.set(power)
  polynomial(f, r, coefficients)
  f.get(r)
  f.op('f32x4.mul')
  f.get(r)
  f.multiplyAdd(() => f.get(r))
  const fraction = popOne(f, 'v128', 'exp fraction')
  return { fraction, power }
}

/** 2^n for the integer n on the stack, from -126 to 127: sets the exponent bits of a float32. */
const powerOfTwo: StackOp = (f) => {
  f.i32(23)
  f.op('i32x4.shl')
  f.i32x4(oneBits)
  f.op('i32x4.add')
}

/** NaN gives NaN, infinity gives infinity, -infinity gives 0. Subnormal results are rounded twice. */
export const exp: StackOp = (f) => {
  const { fraction, power } = reduced(f, -104)
  const half = f.scratch('v128', 'exp half')
  f.get(fraction)
  f.f32x4(1)
  f.op('f32x4.add')
  // 2^n is not representable at both ends of the range, so it is computed as a product of two powers.
  f.get(power)
  f.i32(1)
  f.op('i32x4.shr_s')
  f.tee(half)
  powerOfTwo(f)
  f.op('f32x4.mul')
  f.get(power)
  f.get(half)
  f.op('i32x4.sub')
  powerOfTwo(f)
  f.op('f32x4.mul')
}

/**
 * exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1). All terms are halved, and the sum is doubled at the end, since 2^128 is not representable in float32.
 */
export const expm1: StackOp = withSign((f) => {
  const { fraction, power } = reduced(f, -30)
  const scale = f.scratch('v128', 'exp half')
  f.get(fraction)
  f.get(power)
  f.i32x4(1)
  f.op('i32x4.sub')
  powerOfTwo(f)
  f.tee(scale)
  f.op('f32x4.mul')
  f.get(scale)
  f.f32x4(0.5)
  f.op('f32x4.sub', 'f32x4.add')
  f.f32x4(2)
  f.op('f32x4.mul')
})
