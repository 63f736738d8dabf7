/** A training step leaks no buffers on the device: their number after many steps equals that after a few. */
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import {
  compile,
  crossEntropy,
  dropout,
  fit,
  float32,
  globalAveragePool2d,
  graph,
  int32,
  loss,
  memoryStore,
  nn,
  rmsprop,
  silu,
  trainingStep,
} from '../../src/index.ts'
import { benchFeeds } from '../../src/inspect/bench-feeds.ts'
import type { TrainingEvent } from '../../src/train/events.ts'
import { classes, pictures, smallNet } from './small-data.ts'

const tiny = graph('tiny', { image: float32('batch', 8, 8, 1) }, ({ image }) => {
  const stem = silu(nn.batchNorm(nn.conv2d(image, { filters: 8, kernel: 3, strides: 2, name: 'stem' }), { name: 'bn' }))
  const x = silu(nn.batchNorm(nn.depthwiseConv2d(stem, { kernel: 3, name: 'depthwise' }), { name: 'bn2' }))
  return { logits: nn.dense(dropout(globalAveragePool2d(x), { rate: 0.2 }), { units: 3, name: 'out' }) }
})

test('1000 training steps leak no device memory', { timeout: 300_000 }, async () => {
  const model = trainingStep(tiny, {
    loss: crossEntropy(),
    optimizer: rmsprop({ learningRate: 1e-3 }),
    weightDecay: 1e-4,
    emaDecay: 0.99,
  })
  const feeds = benchFeeds(model.at({ batch: 2 }))
  for (const name of ['wasm', 'cpu']) {
    const backend = await createTfjsBackend({ backend: name })
    using net = await compile(model, { batch: 2, backend })
    const step = async (): Promise<void> => {
      for (const result of Object.values(await net.run(feeds as never))) result.dispose()
    }
    for (let i = 0; i < 3; i++) await step()
    const buffers = tf.findBackend(name).numDataIds()
    const counts = new Set<number>()
    for (let i = 0; i < 1000; i++) {
      await step()
      if (i % 50 === 0) counts.add(tf.findBackend(name).numDataIds())
    }
    counts.add(tf.findBackend(name).numDataIds())
    expect([...counts]).toEqual([buffers])
  }
})

describe('a failed run leaves nothing on the device', () => {
  const data = { train: pictures(12), test: pictures(7) }
  const throwing = (kind: TrainingEvent['kind']) => (event: TrainingEvent) => {
    if (event.kind === kind) throw new Error('of the one who listens')
  }
  const noRows = loss({ label: int32('batch') }, crossEntropy().value)
  const broken = { ...data.train, batches: () => [null as never] }
  const pixels = new Float32Array(4 * 64).fill(Number.NaN)
  const notFinite = { ...data.train, batches: () => [{ image: pixels, label: new Int32Array(4) }] }
  test.each<[string, object]>([
    ['onEvent throws at the stage', { onEvent: throwing('stage') }],
    ['onEvent throws at a step', { onEvent: throwing('step') }],
    ['onEvent throws at an evaluation', { onEvent: throwing('evaluation') }],
    ['onEvent throws at a checkpoint', { checkpoints: memoryStore(), onEvent: throwing('checkpoint') }],
    ['the test data has other classes', { data: { ...data, test: { ...data.test, classes: classes.slice(1) } } }],
    ['the loss cannot be evaluated', { loss: noRows }],
    ['the weights to start from are none', { variables: new Uint8Array(10) }],
    ['the training data is none', { data: { train: broken } }],
    ['the test data is none', { data: { train: data.train, test: broken } }],
    ['the training data is not finite', { data: { train: notFinite } }],
  ])('%s', async (_why, more) => {
    const backend = await createTfjsBackend({ backend: 'wasm' })
    const before = tf.findBackend('wasm').numDataIds()
    const options = { data, loss: crossEntropy(), optimizer: rmsprop({ learningRate: 1e-3 }), emaDecay: 0.9 }
    await expect(fit(smallNet(), { ...options, epochs: 1, batch: 4, backend, ...more })).rejects.toThrow()
    await new Promise((resolve) => setTimeout(resolve)) // disposed values are freed after the runs that need them
    expect(tf.findBackend('wasm').numDataIds()).toBe(before)
  })
})
