/** Accumulation under mixed precision: half gradients are scaled and unscaled within each micro-batch, and summed in float32. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { read } from '../../src/executable/results.ts'
import { typeOf, variablesOf } from '../../src/ir/graph.ts'
import { plainNet, rows, squaresStep } from '../support/small-steps.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const feeds = (seed: number) => ({ x: rows(2, 3, seed), wanted: rows(2, 2, seed + 50) })
const step = squaresStep(plainNet, { accumulate: 2, emaDecay: 0.9 })
const backends = [
  { backend: 'reference', amp: { dtype: 'float16' } },
  { backend: 'tfjs-wasm', amp: { dtype: 'float16', emulate: true } },
  ...withTensorflow.map((backend) => ({ backend, amp: { dtype: 'float16' } }) as const),
] as const

describe.each(backends)('$backend', (options) => {
  test('state and sums are float32, and the weights are close to those without mixed precision', async () => {
    using half = await compile(step, { ...options, batch: 2, verify: true })
    using single = await compile(step, { backend: options.backend, batch: 2 })
    expect(half.amp?.casts).toBeGreaterThan(0)
    for (const { plan, after } of half.passes.filter(({ name }) => name === 'amp'))
      for (const { variable, value } of after.updates)
        expect([plan, typeOf(after, value)]).toEqual([
          plan,
          variablesOf(after).find((n) => n.id === variable)?.types[0],
        ])
    for (const name of half.variables.names()) expect(half.variables.describe(name).dtype).not.toBe('float16')
    let updates = 0
    for (let n = 0; n < 8; n++) {
      const { updated, finite, lossScale } = await read(await half.run(feeds(n)))
      expect([finite, lossScale]).toEqual([true, 2 ** 15])
      if (updated) updates++
      await single.run(feeds(n))
    }
    expect(updates).toBe(4)
    const [got, want] = [await half.variables.get('dense/kernel'), await single.variables.get('dense/kernel')]
    want.forEach((w, i) => expect(Math.abs((got[i] ?? Number.NaN) - w)).toBeLessThan(2e-3))
    expect([...got]).not.toEqual([...want])
  })

  test('a half overflow in one micro-batch is reported at once, skips the update and halves the scale', async () => {
    using net = await compile(step, { ...options, batch: 2 })
    const before = await net.variables.get('dense/kernel')
    const { x, wanted } = feeds(1)
    // Gradients of about 20 times 2^15: above the 65504 of float16, and within float32.
    const steep = { x, wanted: wanted.map((row) => row.map((v) => v * 50)) }
    const reported: (readonly [boolean, boolean])[] = []
    for (const given of [steep, feeds(2), feeds(3), feeds(4)]) {
      const { finite, updated } = await read(await net.run(given))
      reported.push([finite, updated])
      if (reported.length === 2) {
        expect(await net.variables.get('dense/kernel')).toEqual(before)
        expect(await net.variables.get('lossScale/scale')).toEqual(Float32Array.of(2 ** 14))
      }
    }
    expect(reported).toEqual([
      [false, false],
      [false, false],
      [true, false],
      [true, true],
    ])
  })
})
