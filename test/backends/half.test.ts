/** In-place rounding by integer arithmetic, compared with the IR's exact rounding. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { roundHalf } from '../../src/backends/tfjs/half.ts'
import { roundArray } from '../../src/ir/rounding.ts'

/** Any float32 by its bits, including subnormals, infinities and NaN. */
const anyFloat32 = fc
  .integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
  .map((bits) => new Float32Array(Int32Array.of(bits).buffer)[0] ?? 0)
/** Numbers near the limits of the formats, where rules change. */
const corners = [
  0,
  -0,
  2 ** -14,
  2 ** -24,
  2 ** -25,
  1.5 * 2 ** -24,
  2 ** -15 + 2 ** -25,
  65504,
  65519.996,
  65520,
  -65520,
  65536,
  3.38953e38,
  3.4e38,
  2 ** -126,
  2 ** -133,
  2 ** -134,
].map(Math.fround)

test.each(['float16', 'bfloat16'] as const)('%s', (dtype) => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(anyFloat32, fc.constantFrom(...corners)), { minLength: 1, maxLength: 50 }),
      (numbers) => {
        const got = Float32Array.from(numbers)
        roundHalf(dtype, got)
        const want = roundArray(dtype, Float64Array.from(Float32Array.from(numbers)))
        expect(got).toEqual(Float32Array.from(want))
      },
    ),
    { numRuns: 500 },
  )
})
