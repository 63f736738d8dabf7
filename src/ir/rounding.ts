/**
 * Rounds float64 to the smaller float types: to nearest, ties to even, in one step. Rounding to float32 first and then to a half type would give
 * some wrong results.
 */
import type { Float } from './types.ts'

interface Format {
  /** Bits of the significand, including the hidden bit. */
  readonly precision: number
  /** Exponent of the smallest normal number. */
  readonly exponentMin: number
  /** Largest finite number. */
  readonly max: number
}

/** IEEE 754 binary16 and binary32; bfloat16 is the upper half of a binary32. */
export const formats: { readonly [F in Float]: Format } = {
  float32: { precision: 24, exponentMin: -126, max: (2 - 2 ** -23) * 2 ** 127 },
  float16: { precision: 11, exponentMin: -14, max: 65504 },
  bfloat16: { precision: 8, exponentMin: -126, max: (2 - 2 ** -7) * 2 ** 127 },
}

const word = new Float64Array(1)
const halves = new Uint32Array(word.buffer)
/** The index of the 32-bit word with sign and exponent, for the machine's byte order. */
const upper = new Uint32Array(Float64Array.of(-0).buffer)[1] === 0 ? 0 : 1

/** floor(log2 |x|) of a finite number that is not 0; float64's subnormals count as 2^-1023, below all formats here. */
const exponentOf = (x: number): number => {
  word[0] = x
  return (((halves[upper] as number) >>> 20) & 0x7ff) - 1023
}

/** Adding and subtracting 2^52 rounds a smaller number to an integer, ties to even, by the machine's own rounding. */
const integerShift = 2 ** 52

const roundFinite = (x: number, { precision, exponentMin, max }: Format): number => {
  const magnitude = Math.abs(x)
  const quantum = 2 ** (Math.max(exponentOf(magnitude), exponentMin) - (precision - 1))
  // The quotient is exact, because the divisor is a power of two, and is below 2^precision.
  const rounded = (magnitude / quantum + integerShift - integerShift) * quantum
  const result = rounded > max ? Infinity : rounded
  return x < 0 ? -result : result
}

/** Rounds x to the type: to nearest, ties to even; to infinity above the largest number. Keeps subnormals, NaN and -0. */
export const roundTo = (dtype: Float, x: number): number => {
  if (dtype === 'float32') return Math.fround(x)
  if (x === 0 || !Number.isFinite(x)) return x
  return roundFinite(x, formats[dtype])
}

/** Rounds all elements in place and returns the array. */
export const roundArray = (dtype: Float, data: Float64Array): Float64Array => {
  for (let i = 0; i < data.length; i++) data[i] = roundTo(dtype, data[i] as number)
  return data
}

/** An exact integer modulo 2^32, as a signed 32-bit one. */
export const wrapInt32 = (x: number): number => x | 0

/** The 16 bits of a number that the type represents exactly (see roundTo). NaN becomes a quiet NaN. */
export const halfBits = (dtype: Exclude<Float, 'float32'>, x: number): number => {
  const { precision, exponentMin } = formats[dtype]
  const mantissaBits = precision - 1
  const exponentAll = 2 ** (15 - mantissaBits) - 1
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0
  if (Number.isNaN(x)) return (exponentAll << mantissaBits) | (1 << (mantissaBits - 1))
  const magnitude = Math.abs(x)
  if (magnitude === Infinity) return sign | (exponentAll << mantissaBits)
  const exponent = magnitude === 0 ? exponentMin - 1 : exponentOf(magnitude)
  if (exponent < exponentMin) return sign | (magnitude / 2 ** (exponentMin - mantissaBits))
  return sign | ((exponent - exponentMin + 1) << mantissaBits) | ((magnitude / 2 ** exponent - 1) * 2 ** mantissaBits)
}

/** The number that 16 bits represent. */
export const halfFromBits = (dtype: Exclude<Float, 'float32'>, bits: number): number => {
  const { precision, exponentMin } = formats[dtype]
  const mantissaBits = precision - 1
  const exponentAll = 2 ** (15 - mantissaBits) - 1
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> mantissaBits) & exponentAll
  const mantissa = bits & ((1 << mantissaBits) - 1)
  if (exponent === exponentAll) return mantissa === 0 ? sign * Infinity : Number.NaN
  if (exponent === 0) return sign * mantissa * 2 ** (exponentMin - mantissaBits)
  return sign * (1 + mantissa / 2 ** mantissaBits) * 2 ** (exponent - 1 + exponentMin)
}
