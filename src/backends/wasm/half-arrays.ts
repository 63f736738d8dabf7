/** Converts arrays of half types between the host, where they are widened to float32, and memory, where they have 16 bits. */
import type { Half } from '../../ir/types.ts'

/** The conversion does not use Float16Array, which not all engines have. It works on the bits of float32, like half.ts. */
const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

const decodeFloat16 = (bits: number): number => {
  const magnitude = bits & 0x7fff
  word[0] = magnitude << 13
  float[0] = (float[0] as number) * 2 ** 112
  // Infinity and NaN have the largest exponent.
  if (magnitude >= 0x7c00) word[0] = (word[0] as number) | 0x7f800000
  word[0] = (word[0] as number) | ((bits & 0x8000) << 16)
  return float[0] as number
}

/** All float16 numbers by their bits: 256 KiB, allocated at the first use. */
const float16Numbers = (): Float32Array<ArrayBuffer> => {
  known ??= Float32Array.from({ length: 65536 }, (_, bits) => decodeFloat16(bits))
  return known
}
let known: Float32Array<ArrayBuffer> | null = null

/** Widens to float32. */
export const decodeHalf = (
  dtype: Half,
  bits: Uint16Array,
  into: Float32Array<ArrayBuffer> = new Float32Array(bits.length),
): Float32Array<ArrayBuffer> => {
  if (dtype === 'float16') {
    const numbers = float16Numbers()
    for (let i = 0; i < bits.length; i++) into[i] = numbers[bits[i] as number] as number
  } else {
    const words = new Uint32Array(into.buffer, into.byteOffset, into.length)
    for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16
  }
  return into
}

/** Rounds to nearest, ties to even. Numbers above the largest one become infinity; NaN becomes a quiet NaN. */
export const encodeHalf = (
  dtype: Half,
  numbers: Float32Array,
  into: Uint16Array<ArrayBuffer> = new Uint16Array(numbers.length),
): Uint16Array<ArrayBuffer> => {
  const words = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length)
  const encode = dtype === 'float16' ? encodeFloat16 : encodeBfloat16
  for (let i = 0; i < words.length; i++) into[i] = encode(words[i] as number)
  return into
}

const encodeBfloat16 = (bits: number): number =>
  (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16

const encodeFloat16 = (bits: number): number => {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return 0x7e00
  // Below 2^-14 the result is a multiple of 2^-24. Adding 1/2 leaves this multiple in the low bits, because the unit of numbers from 1/2 to 1 is
  // 2^-24.
  if (magnitude < 0x38800000) {
    word[0] = magnitude
    float[0] = (float[0] as number) + 0.5
    return sign | ((word[0] as number) - 0x3f000000)
  }
  const rounded = (magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13
  return sign | Math.min(rounded - (112 << 10), 0x7c00)
}
