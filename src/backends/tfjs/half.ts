/** Rounding float32 memory to half types in place: to nearest, ties to even, overflow to infinity, NaN is kept. Integer arithmetic on the bits. */
import type { HostArray } from '../backend.ts'

export const roundHalf = (dtype: 'float16' | 'bfloat16', data: HostArray): void => {
  const bits = new Int32Array(data.buffer, data.byteOffset, data.length)
  if (dtype === 'bfloat16') roundToBfloat16(bits)
  else roundToFloat16(bits, data)
}

const exponentMask = 0x7f800000

/** Keeps the upper 16 bits. The carry of the rounding may change the exponent, up to infinity. */
const roundToBfloat16 = (bits: Int32Array): void => {
  for (let i = 0; i < bits.length; i++) {
    const u = bits[i] as number
    if ((u & exponentMask) !== exponentMask) bits[i] = (u + 0x7fff + ((u >>> 16) & 1)) & ~0xffff
  }
}

/** Smallest normal float16, 2^-14, and the smallest number that rounds to infinity, 65520, as bits of float32. */
const normalMin = 0x38800000
const overflowMin = 0x477ff000

const roundToFloat16 = (bits: Int32Array, data: HostArray): void => {
  for (let i = 0; i < bits.length; i++) {
    const u = bits[i] as number
    const magnitude = u & 0x7fffffff
    if (magnitude >= exponentMask) continue
    if (magnitude >= overflowMin) bits[i] = (u & ~0x7fffffff) | exponentMask
    else if (magnitude >= normalMin) bits[i] = (u + 0xfff + ((u >>> 13) & 1)) & ~0x1fff
    else {
      // Subnormals are multiples of 2^-24, which is the step of float32 between 0.5 and 1.
      const x = data[i] as number
      const rounded = Math.fround(Math.fround(Math.abs(x) + 0.5) - 0.5)
      data[i] = u < 0 ? -rounded : rounded
    }
  }
}
