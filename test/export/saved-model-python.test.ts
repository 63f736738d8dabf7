/** SavedModels in TensorFlow for Python, compared with effuse on tfjs-wasm and the reference. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { exportSavedModel } from '../../src/export/savedmodel/export-saved-model.ts'
import { compile, efficientNet } from '../../src/index.ts'
import { defaultVersion } from '../../src/setup/wheels.ts'
import { expectClose } from '../support/one-graph.ts'
import { askPython, pythonTensorflowOrSkip } from '../support/python-tensorflow.ts'
import { normedNet, numbers, squaresStep } from '../support/small-steps.ts'
import { tensorflowOrSkip } from '../support/tensorflow.ts'
import { expectCloseTogether, withLiveStatistics } from './live-statistics.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-saved-model-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

tensorflowOrSkip('a SavedModel', () => {
  pythonTensorflowOrSkip("in Python's TensorFlow", () => {
    test('gives the logits of EfficientNet-B0 on tfjs-wasm', async () => {
      const model = efficientNet('b0', { classes: 10, resolution: 64 })
      const variables = await withLiveStatistics(model)
      const to = join(folder, 'b0')
      await exportSavedModel(to, model, { batch: 2, variables })
      using net = await compile(model, { batch: 2, variables, backend: 'tfjs-wasm' })
      const image = Float32Array.from({ length: 2 * 64 * 64 * 3 }, (_, i) => (i * 7919) % 256)
      const want = await net.run({ image })
      const feed = { dtype: 'float32', shape: [2, 64, 64, 3], data: [...image] }
      const calls = [{ signature: 'serving_default', feeds: { image: feed } }]
      const got = await askPython({ folder: to, calls, restored: [] })
      expect(got.version).toBe(defaultVersion)
      for (const name of ['logits', 'probabilities'] as const)
        expectCloseTogether(got.calls[0]?.[name], await want[name].data(), 1e-4)
    }, 300_000)

    test('trains step by step like the reference; a checkpoint of its variables continues', async () => {
      const step = squaresStep(normedNet(0.5), { emaDecay: 0.9, weightDecay: 1e-3, accumulate: 2 })
      using trainer = await compile(step, { batch: 4, seed: 5, backend: 'reference' })
      using runner = await compile(normedNet(0.5), { batch: 4, variables: trainer.variables, backend: 'reference' })
      const to = join(folder, 'step')
      const signatures = { serving_default: normedNet(0.5), train: step }
      await exportSavedModel(to, signatures, { batch: 4, variables: trainer.variables, seed: 5 })
      const feeds = (i: number) => ({ x: numbers(12, i), wanted: numbers(8, 100 + i) })
      const train = (i: number) => ({
        signature: 'train',
        feeds: {
          x: { dtype: 'float32', shape: [4, 3], data: feeds(i).x },
          wanted: { dtype: 'float32', shape: [4, 2], data: feeds(i).wanted },
        },
      })
      const infer = { signature: 'serving_default', feeds: { x: train(9).feeds.x } }
      const got = await askPython({
        folder: to,
        calls: [train(0), train(1), train(2), train(3), infer],
        restored: [train(4), infer],
      })
      const losses: number[] = []
      const after: (readonly number[])[] = []
      for (let i = 0; i < 5; i++) {
        const { x, wanted } = feeds(i)
        const { loss } = await trainer.run({ x: Float32Array.from(x), wanted: Float32Array.from(wanted) } as never) // [4,3], [4,2]
        losses.push(...(await loss.data()))
        const { y } = await runner.run({ x: Float32Array.from(numbers(12, 9)) } as never) // [4,3]
        after.push([...(await y.data())])
      }
      const all = [...got.calls.slice(0, 4), ...got.restored.slice(0, 1)]
      expectClose(
        all.flatMap(({ loss }) => loss ?? []),
        losses,
        1e-5,
      )
      expect(new Set(losses).size).toBe(5)
      expectClose(got.calls[4]?.['y'], after[3] ?? [], 1e-5)
      expectClose(got.restored[1]?.['y'], after[4] ?? [], 1e-5)
      expect(got.variables['first/kernel']).toEqual({ trainable: true, shape: [3, 4] })
      expect(got.variables['bn/variance']).toEqual({ trainable: false, shape: [4] })
      expect(Object.keys(got.variables)).toEqual(expect.arrayContaining([...trainer.variables.names()]))
    }, 300_000)
  })
})
