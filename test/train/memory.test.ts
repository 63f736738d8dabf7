/** A training step forgets nothing on the device: after many steps there are as many buffers as after a few. */
import * as tf from '@tensorflow/tfjs-core'
import { expect, test } from 'vitest'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import {
  compile,
  crossEntropy,
  dropout,
  float32,
  globalAveragePool2d,
  graph,
  nn,
  rmsprop,
  silu,
  trainingStep,
} from '../../src/index.ts'
import { benchFeeds } from '../../src/inspect/bench-feeds.ts'

const tiny = graph('tiny', { image: float32('batch', 8, 8, 1) }, ({ image }) => {
  const stem = silu(nn.batchNorm(nn.conv2d(image, { filters: 8, kernel: 3, strides: 2, name: 'stem' }), { name: 'bn' }))
  const x = silu(nn.batchNorm(nn.depthwiseConv2d(stem, { kernel: 3, name: 'depthwise' }), { name: 'bn2' }))
  return { logits: nn.dense(dropout(globalAveragePool2d(x), { rate: 0.2 }), { units: 3, name: 'out' }) }
})

test('1000 training steps leave the device as they found it', { timeout: 300_000 }, async () => {
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
