/** exp on vectors of float32. */
import type { FunctionBody } from './encoder.ts'

/** Beyond these the result is infinite, or 0. */
const [largest, least] = [89, -104]

/**
 * ln 2 in two parts: the first has so few digits that its products with the whole numbers below are exact (Cody and Waite, Software Manual for the
 * Elementary Functions, 1980).
 */
const [ln2High, ln2Low] = [0.693359375, -2.1219444e-4]

/** Taylor coefficients of exp, 1/7! first: on |r| <= ln 2 / 2 the rest is below 6e-9. */
const coefficients = [1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2, 1, 1]

/**
 * Replaces the vector on the stack by its exponential: x = n ln 2 + r with a whole n, and exp(x) = 2^n exp(r). NaN stays NaN, infinities give infinity
 * and 0, results below the normal numbers are rounded once more.
 */
export const emitExp = (f: FunctionBody): void => {
  const [r, n, power] = [0, 1, 2].map((number) => f.scratch('v128', number)) as [number, number, number]
  // pmin and pmax keep a NaN in their first operand.
  f.f32x4(largest)
  f.op('f32x4.pmin')
  f.f32x4(least)
  f.op('f32x4.pmax')
  f.set(r)
  f.get(r)
  f.f32x4(Math.LOG2E)
  f.op('f32x4.mul', 'f32x4.nearest')
  f.set(n)
  for (const part of [ln2High, ln2Low]) {
    f.get(r)
    f.get(n)
    f.f32x4(part)
    f.op('f32x4.mul', 'f32x4.sub')
    f.set(r)
  }
  coefficients.forEach((coefficient, i) => {
    if (i > 0) {
      f.get(r)
      f.op('f32x4.mul')
    }
    f.f32x4(coefficient)
    if (i > 0) f.op('f32x4.add')
  })
  f.get(n)
  f.op('i32x4.trunc_sat_f32x4_s')
  f.set(n)
  // 2^n has no float32 at both ends, so it is the product of two.
  f.get(n)
  f.i32(1)
  f.op('i32x4.shr_s')
  f.set(power)
  times(power, f)
  f.get(n)
  f.get(power)
  f.op('i32x4.sub')
  f.set(power)
  times(power, f)
}

/** Multiplies by 2 to a whole power: the power with its bias is the exponent of a float32. */
const times = (power: number, f: FunctionBody): void => {
  f.get(power)
  f.i32x4(127)
  f.op('i32x4.add')
  f.i32(23)
  f.op('i32x4.shl', 'f32x4.mul')
}
