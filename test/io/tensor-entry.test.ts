import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesOf, tensorEntry, toFloat32, toInt32 } from '../../src/io/tensor-entry.ts'
import { failure } from './support.ts'

/** The value of a half-type's bits by the definition of the type: sign, exponent and fraction. */
const halfValue = (bits: number, exponentBits: number, fractionBits: number): number => {
  const sign = bits >>> 15 === 1 ? -1 : 1
  const exponent = (bits >>> fractionBits) & (2 ** exponentBits - 1)
  const fraction = bits & (2 ** fractionBits - 1)
  const bias = 2 ** (exponentBits - 1) - 1
  if (exponent === 2 ** exponentBits - 1) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits)
  return sign * (1 + fraction / 2 ** fractionBits) * 2 ** (exponent - bias)
}

test.each([
  ['float16', 5, 10],
  ['bfloat16', 8, 7],
] as const)(
  'toFloat32 gives every one of the 65,536 %s, and tensorEntry gives its bits back',
  (dtype, exponentBits, fractionBits) => {
    const bits = Uint16Array.from({ length: 65_536 }, (_, i) => i)
    const values = toFloat32({ name: 'all', dtype, shape: [65_536], bytes: new Uint8Array(bits.buffer) })
    const wrong: number[] = []
    for (const i of bits) if (!Object.is(values[i], halfValue(i, exponentBits, fractionBits))) wrong.push(i)
    expect(wrong).toEqual([])
    const back = new Uint16Array(new Uint8Array(tensorEntry('all', dtype, [65_536], values).bytes).buffer)
    expect([...bits].filter((i) => back[i] !== i && !Number.isNaN(values[i]))).toEqual([])
  },
)

test('tensorEntry rounds half types to the nearest, ties to even, and keeps NaN and the infinities', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('float16', 'bfloat16'),
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      (dtype, x) => {
        const [exponentBits, fractionBits] = dtype === 'float16' ? [5, 10] : [8, 7]
        const [bits] = new Uint16Array(new Uint8Array(tensorEntry('x', dtype, [], [x]).bytes).buffer)
        if (bits === undefined) throw new Error('no bits')
        // Past the largest finite number, infinity represents the next power of two.
        const finite = (b: number): number => {
          const value = halfValue(b, exponentBits, fractionBits)
          return Number.isFinite(value) ? value : Math.sign(value) * 2 ** (2 ** (exponentBits - 1))
        }
        const distance = Math.abs(finite(bits) - x)
        for (const neighbour of [bits - 1, bits + 1]) {
          if ((neighbour & 0x7fff) > halfInfinity(dtype) || neighbour < 0 || neighbour > 0xffff) continue
          const other = Math.abs(finite(neighbour) - x)
          expect(other > distance || (other === distance && bits % 2 === 0) || finite(neighbour) === finite(bits)).toBe(
            true,
          )
        }
      },
    ),
    { numRuns: 1000 },
  )
  for (const dtype of ['float16', 'bfloat16', 'float32'] as const) {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0]
    expect([...toFloat32(tensorEntry('x', dtype, [4], special))]).toEqual(special)
  }
})

const halfInfinity = (dtype: string): number => (dtype === 'float16' ? 0x7c00 : 0x7f80)

test('toFloat32 keeps the bits of float32, NaN payloads included, from any alignment', () => {
  const bits = Uint32Array.of(0x7fc12345, 0xffc00001, 0x80000000, 0x00000001, 0x3f800000)
  for (let offset = 0; offset < 8; offset++) {
    const room = new Uint8Array(40)
    room.set(new Uint8Array(bits.buffer), offset)
    const values = toFloat32({ name: 'x', dtype: 'float32', shape: [5], bytes: room.subarray(offset, offset + 20) })
    expect(new Uint32Array(values.buffer)).toEqual(bits)
  }
})

test('toFloat32 copies: the file does not change with the numbers', () => {
  const entry = tensorEntry('x', 'float32', [1], [1])
  toFloat32(entry)[0] = 2
  expect([...toFloat32(entry)]).toEqual([1])
})

test('toFloat32 rounds float64 to the nearest float32', () => {
  fc.assert(
    fc.property(fc.array(fc.double()), (numbers) => {
      const bytes = new Uint8Array(new Float64Array(numbers).buffer)
      expect([...toFloat32({ name: 'x', dtype: 'float64', shape: [numbers.length], bytes })]).toEqual(
        numbers.map(Math.fround),
      )
    }),
  )
})

test('float32, int32 and bool survive a round trip', () => {
  fc.assert(
    fc.property(fc.array(fc.float()), fc.array(fc.integer()), fc.array(fc.boolean()), (floats, integers, flags) => {
      expect([...toFloat32(tensorEntry('x', 'float32', [floats.length], floats))]).toEqual(floats)
      expect([...toInt32(tensorEntry('x', 'int32', [integers.length], integers))]).toEqual(integers)
      expect([...toInt32(tensorEntry('x', 'bool', [flags.length], flags.map(Number)))]).toEqual(flags.map(Number))
    }),
  )
})

test('numbers outside of int32, and other kinds of numbers, are rejected by name', () => {
  const long = (value: bigint) =>
    ({ name: 'steps', dtype: 'int64', shape: [1], bytes: new Uint8Array(BigInt64Array.of(value).buffer) }) as const
  expect([...toInt32(long(2n ** 31n - 1n))]).toEqual([2 ** 31 - 1])
  expect([...toInt32(long(-(2n ** 31n)))]).toEqual([-(2 ** 31)])
  expect(failure(() => toInt32(long(2n ** 31n)))).toMatchObject({
    code: 'EF505',
    message: 'tensor "steps" (int64[1]) holds 2147483648 at element 0, which int32 cannot hold',
  })
  expect(failure(() => toInt32(long(-(2n ** 63n)))).message).toContain('holds -9223372036854775808')
  expect(failure(() => toFloat32(long(1n))).message).toBe(
    'expected floating-point numbers in tensor "steps", it is int64[1]',
  )
  expect(failure(() => toInt32(tensorEntry('w', 'float16', [], [1]))).message).toBe(
    'expected integers in tensor "w", it is float16[]',
  )
  expect(failure(() => tensorEntry('w', 'int32', [1], [1.5])).code).toBe('EF901')
  expect(failure(() => tensorEntry('w', 'float32', [2], [1])).code).toBe('EF901')
})

test('bytesOf multiplies exactly, or throws', () => {
  expect(bytesOf('float32', [])).toBe(4)
  expect(bytesOf('float16', [3, 0, 5])).toBe(0)
  expect(bytesOf('uint8', [2 ** 53 - 1])).toBe(2 ** 53 - 1)
  expect(bytesOf('uint8', [2 ** 53 - 1, 2])).toBeNull()
  expect(bytesOf('float64', [2 ** 50])).toBeNull()
  expect(bytesOf('uint8', [2 ** 27, 0, 2 ** 27])).toBeNull()
})
