/** Random numbers of modules against ir/philox.ts. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { parse } from '../../../src/ir/parse.ts'
import { randomUniform } from '../../../src/ir/philox.ts'
import { webAssembly } from '../codegen/kernel-backend.ts'

const word = fc.nat(2 ** 32 - 1)

test('a module draws the random numbers that the definition gives, for any seed, run, replica and stream', () => {
  fc.assert(
    fc.property(
      fc.record({ seed: word, runIndex: fc.maxSafeNat(), replica: word }),
      fc.tuple(fc.string(), fc.string()),
      fc.integer({ min: 1, max: 41 }),
      (position, streams, count) => {
        const [first, second] = streams.map((stream) => JSON.stringify(stream))
        // The second stream from its fourth number: vectors start in the middle of a block.
        const { kernel } = kernelOf(
          parse(`graph g {
  %0 = randomUniform() {shape=[${count}], stream=${first}} : float32[${count}]
  %1 = randomUniform() {shape=[${count + 3}], stream=${second}} : float32[${count + 3}]
  %2 = slice(%1) {limits=[${count + 3}], starts=[3], strides=[1]} : float32[${count}]
  return a = %0, b = %2
}`),
        )
        const never = (): number => {
          throw new Error('the module has its own random numbers')
        }
        const buffers = webAssembly()(kernel, new Map(), never, position)
        const results = buffers.filter((_, at) => kernel.buffers[at]?.role === 'result')
        const want = (stream: string, from: number): readonly number[] => [
          ...randomUniform({ ...position, stream, count: from + count }).subarray(from),
        ]
        expect(results.map((result) => Array.from(result))).toEqual([want(streams[0], 0), want(streams[1], 3)])
      },
    ),
    { numRuns: 50 },
  )
})
