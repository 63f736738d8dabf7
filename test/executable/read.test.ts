/** read() returns a run's scalars without yielding the turn: on backends with memory in JavaScript it does not wait for the event loop. */
import { expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { read } from '../../src/executable/results.ts'
import { plainNet, rows, squaresStep } from '../support/small-steps.ts'
import { withTensorflow } from '../support/tensorflow.ts'

test.each(['reference', 'wasm', 'tfjs-wasm', 'tfjs-cpu', ...withTensorflow] as const)(
  '%s: all scalars of a step within one turn of the event loop',
  async (backend) => {
    using net = await compile(squaresStep(plainNet, { accumulate: 2 }), { backend, batch: 2 })
    for (const isUpdated of [false, true]) {
      const results = await net.run({ x: rows(2, 3, 1), wanted: rows(2, 2, 2) })
      let turned = false
      const turn = setImmediate(() => {
        turned = true
      })
      const { updated, finite, learningRate } = await read(results)
      expect(turned).toBe(false)
      clearImmediate(turn)
      expect([updated, finite, learningRate]).toEqual([isUpdated, true, Math.fround(0.1)])
    }
  },
)
