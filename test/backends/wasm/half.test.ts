/**
 * Half types as 16 bits: on the host, and in the loads, stores and roundings of modules. Tests all bit patterns, and every boundary between two
 * adjacent numbers.
 */
import { describe, expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { plainSchedule } from '../../../src/backends/codegen/loops/schedule.ts'
import { decodeHalf, encodeHalf } from '../../../src/backends/wasm/half-arrays.ts'
import { parse } from '../../../src/ir/parse.ts'
import { halfBits, halfFromBits, roundTo } from '../../../src/ir/rounding.ts'
import { webAssembly } from '../codegen/kernel-backend.ts'

const patterns = Uint16Array.from({ length: 65536 }, (_, bits) => bits)

/** For each number of the type: the number, the midpoint to the next number, and the float32 numbers on both sides of the midpoint. */
const boundaries = (dtype: 'float16' | 'bfloat16'): Float32Array<ArrayBuffer> => {
  const words = new Uint32Array(4)
  const floats = new Float32Array(words.buffer)
  const found: number[] = []
  for (const bits of patterns) {
    floats[0] = halfFromBits(dtype, bits)
    floats[1] = ((floats[0] as number) + halfFromBits(dtype, bits + 1)) / 2
    words[2] = (words[1] as number) - 1
    words[3] = (words[1] as number) + 1
    found.push(...floats)
  }
  return Float32Array.from(found)
}

/** Faster than toEqual. */
const expectSame = (got: ArrayLike<number>, want: ArrayLike<number>): void => {
  expect(got.length).toBe(want.length)
  for (let i = 0; i < want.length; i++)
    if (!Object.is(got[i], want[i])) throw new Error(`number ${i} is ${got[i]}, expected ${want[i]}`)
}

describe.each(['float16', 'bfloat16'] as const)('%s', (dtype) => {
  test('the host widens every bit pattern to the number that it represents', () => {
    expectSame(
      decodeHalf(dtype, patterns),
      Array.from(patterns, (bits) => halfFromBits(dtype, bits)),
    )
  })

  test('the host rounds numbers to nearest, ties to even', () => {
    const numbers = boundaries(dtype)
    expectSame(
      encodeHalf(dtype, numbers),
      Array.from(numbers, (x) => halfBits(dtype, roundTo(dtype, x))),
    )
  })

  test.each([
    ['numbers', null],
    ['vectors', 0],
  ])('modules round, store and load %s like the host', (_, vectorAxis) => {
    const numbers = boundaries(dtype)
    const shape = `[${numbers.length}]`
    const run = webAssembly(() => ({ ...plainSchedule, vectorAxis }))
    const graph = (from: string, to: string) =>
      parse(
        `graph g { %x = input() {name="x"} : ${from}${shape} %y = cast(%x) {to="${to}"} : ${to}${shape} return y = %y }`,
      )
    const narrowed = run(
      kernelOf(graph('float32', dtype)).kernel,
      new Map([[0, numbers]]),
      () => 0,
    )[1] as ArrayLike<number>
    const want = decodeHalf(dtype, encodeHalf(dtype, numbers))
    expectSame(narrowed, want)
    const widened = run(kernelOf(graph(dtype, 'float32')).kernel, new Map([[0, want]]), () => 0)[1] as ArrayLike<number>
    expectSame(widened, want)
  })
})
