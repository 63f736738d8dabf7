/** Values that a kernel uses several times are computed once at each position, so a chain of them takes linear work. */
import { expect, test, vi } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { webAssembly } from './kernel-backend.ts'
import { PhaseBuilder } from '../../../src/backends/codegen/kernel/phase-builder.ts'
import { Builder } from '../../../src/ir/build.ts'
import type { Value } from '../../../src/ir/value.ts'

const x = [1, 2, 3, 4]

/** Applies `step` to a 2 x 2 matrix, in one kernel. Returns the result and the number of ops that the lowering made, equal ones too. */
const chain = (length: number, step: (b: Builder, y: Value) => Value) => {
  const b = new Builder('chain')
  let y: Value = b.input('x', { dtype: 'float32', shape: [2, 2] })
  for (let at = 0; at < length; at++) y = step(b, y)
  const made = vi.spyOn(PhaseBuilder.prototype, 'op')
  const { kernel, operands, results } = kernelOf(b.finish({ y }))
  const ops = made.mock.calls.length
  made.mockRestore()
  const fed = new Map([...operands.values()].map((buffer) => [buffer, Float32Array.from(x)]))
  const buffers = webAssembly()(kernel, fed, () => Number.NaN)
  return { y: Array.from(buffers[results[0] as number] ?? []), ops }
}

test('each value is used twice at its own position', () => {
  const step = (b: Builder, y: Value): Value => b.add(b.mul(y, 0.5), b.mul(y, 1.5))
  const [short, long] = [chain(8, step), chain(16, step)]
  expect(long.y).toEqual(x.map((each) => each * 2 ** 16))
  expect(long.ops).toBeLessThan(2.1 * short.ops)
})

test('each value is used at two positions', () => {
  // The sum of a matrix and its transpose is symmetric, and twice itself afterwards.
  const step = (b: Builder, y: Value): Value => b.add(y, b.transpose(y, [1, 0]))
  const [short, long] = [chain(8, step), chain(16, step)]
  expect(long.y).toEqual([2, 5, 5, 8].map((each) => each * 2 ** 15))
  expect(long.ops).toBeLessThan(2.1 * short.ops)
})
