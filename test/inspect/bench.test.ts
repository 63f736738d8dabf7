/** Benchmarks: the hand-written peer computes the same, the timing is fair, and programs that cannot be compared are rejected. */
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { trainByHand } from '../../src/peers/training.ts'
import { variableNodes } from '../../src/peers/layers.ts'
import { loadTfjsGradients } from '../../src/peers/tfjs-gradients.ts'
import { hostArrayOf } from '../../src/backends/backend.ts'
import {
  adam,
  add,
  adamw,
  compile,
  crossEntropy,
  dropout,
  efficientNet,
  float32,
  globalAveragePool2d,
  graph,
  nn,
  relu,
  rmsprop,
  sgd,
  silu,
  trainingStep,
  warmup,
} from '../../src/index.ts'
import { benchFeeds } from '../../src/inspect/bench-feeds.ts'
import { bench } from '../../src/inspect/bench.ts'
import type { Contender } from '../../src/inspect/contender.ts'
import { race } from '../../src/inspect/race.ts'
import { initialValues } from '../../src/ir/initializers.ts'
import { stepOptionsOf } from '../../src/passes/train/declaration.ts'
import { hasAdapter } from '../support/webgpu.ts'

const blocks = [{ kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 1 }] as const
const small = efficientNet('b0', { classes: 5, resolution: 16, blocks })
const dense = graph('dense', { x: float32('batch', 6) }, ({ x }) => {
  const hidden = relu(nn.batchNorm(nn.dense(x, { units: 8, name: 'hidden' }), { name: 'bn' }))
  return { logits: nn.dense(dropout(hidden, { rate: 0.25 }), { units: 3, name: 'out' }) }
})
const tiny = graph('tiny', { image: float32('batch', 8, 8, 1) }, ({ image }) => {
  const stem = silu(nn.batchNorm(nn.conv2d(image, { filters: 8, kernel: 3, strides: 2, name: 'stem' }), { name: 'bn' }))
  const x = silu(nn.batchNorm(nn.depthwiseConv2d(stem, { kernel: 3, name: 'depthwise' }), { name: 'bn2' }))
  const sum = add(stem, dropout(x, { rate: 0.2, per: 'sample' }))
  return { logits: nn.dense(dropout(globalAveragePool2d(sum), { rate: 0.2 }), { units: 3, name: 'out' }) }
})
const loss = crossEntropy({ labelSmoothing: 0.1 })

describe('the hand-written training step', () => {
  test.each([
    ['rmsprop', rmsprop({ learningRate: warmup(0.002, { steps: 2 }), initialMeanSquare: 1 })],
    ['sgd', sgd({ learningRate: 0.02, momentum: 0.9 })],
    ['sgd with Nesterov', sgd({ learningRate: 0.02, momentum: 0.9, nesterov: true })],
    ['adam', adam({ learningRate: 0.001, epsilon: 1e-3 })],
    ['adamw', adamw({ learningRate: 0.001, epsilon: 1e-3, weightDecay: 0.1 })],
  ])('with %s follows effuse, including statistics and averages', async (_name, optimizer) => {
    const model = trainingStep(tiny, { loss, optimizer, weightDecay: 1e-3, emaDecay: 0.9 })
    const declared = model.at({ batch: 8 })
    const feeds = benchFeeds(declared)
    using net = await compile(model, { batch: 8, seed: 3, backend: 'tfjs-cpu' })
    await loadTfjsGradients()
    await tf.setBackend('cpu')
    const variables = new Map(
      variableNodes(declared).map(({ attrs: { name, init }, types: [type] }) => [
        name,
        hostArrayOf('float32', initialValues(init, type?.shape ?? [], { seed: 3, name })),
      ]),
    )
    const training = stepOptionsOf(model)
    if (training === null) throw new Error('this is a training step')
    const before = tf.memory().numTensors
    const byHand = trainByHand(tf, { graph: declared, seed: 3, training, variables })
    const held = tf.memory().numTensors
    for (let step = 0; step < 3; step++) {
      const { loss: ours } = await net.run(feeds as never) // made for the inputs of this graph
      const wanted = await ours.item()
      expect(Math.abs((await byHand.step(feeds)) - wanted)).toBeLessThan(2e-4 * wanted)
    }
    for (const [name, variable] of byHand.weights) await expectNear(variable, await net.variables.get(name))
    for (const [name, average] of byHand.averages) await expectNear(average, await net.variables.get(`ema/${name}`))
    expect(byHand.averages.size).toBe(byHand.weights.size)
    expect(tf.memory().numTensors).toBe(held)
    byHand.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })

  const expectNear = async (variable: tf.Variable, wanted: ArrayLike<number>): Promise<void> => {
    const got = await variable.data()
    expect(got.length).toBe(wanted.length)
    const largest = Array.from(wanted).reduce((most, x) => Math.max(most, Math.abs(x)), 1e-2)
    for (const [i, value] of got.entries()) expect(Math.abs(value - (wanted[i] as number))).toBeLessThan(2e-3 * largest)
  }
})

describe('bench', () => {
  test('compares a training step with both peers if tfjs has the gradients', async () => {
    const model = trainingStep(dense, { loss, optimizer: sgd({ learningRate: 0.1 }), weightDecay: 1e-3, emaDecay: 0.9 })
    const progressLines: string[] = []
    const { rows, skipped } = await bench(model, {
      batch: 16,
      rounds: 3,
      backend: 'tfjs-wasm',
      against: ['tfjs-wasm', 'tfjs-cpu'],
      onProgress: (line) => progressLines.push(line),
    })
    expect(skipped).toEqual([])
    expect(rows.map(({ name, train, rounds, batch }) => ({ name, train, rounds, batch }))).toEqual(
      ['effuse', 'effuse, op by op', 'tfjs-wasm', 'tfjs-cpu'].map((name) => ({
        name,
        train: true,
        rounds: 3,
        batch: 16,
      })),
    )
    const losses = progressLines.flatMap((line) => /loss (\S+)$/.exec(line)?.[1] ?? [])
    expect(losses).toHaveLength(4)
    expect(new Set(losses.map((text) => Number(text).toFixed(3))).size).toBe(1)
  })

  test('skips a peer that cannot run, with the reason', async () => {
    const convolutional = trainingStep(small, { loss, optimizer: sgd({ learningRate: 0.1 }) })
    const clipped = trainingStep(dense, { loss, optimizer: sgd({ learningRate: 0.1 }), clipNorm: 1 })
    const options = { batch: 4, rounds: 1, opByOp: false, backend: 'tfjs-wasm', against: ['tfjs-wasm'] } as const
    const first = await bench(convolutional, options)
    expect(first.rows).toHaveLength(1)
    expect(first.skipped).toEqual([
      {
        name: 'tfjs-wasm',
        reason: expect.stringMatching(/tfjs-wasm cannot train .* no kernel Conv2DBackpropFilter/),
        fix: 'tfjs-cpu has them, but is many times slower',
      },
    ])
    const second = await bench(clipped, options)
    expect(second.skipped).toMatchObject([
      { name: 'tfjs-wasm', reason: expect.stringContaining('does not support clipNorm') },
    ])
  })

  test.each([
    [{ rounds: 0 }, 'EF403', /rounds must be a positive number, got 0/],
    [{ rounds: 1.5 }, 'EF403', /rounds/],
    [{ budgetMs: Number.NaN }, 'EF403', /budgetMs/],
    [
      { against: ['tfjs-webgl'] },
      'EF404',
      /there is no peer "tfjs-webgl"; there are tfjs-wasm, tfjs-cpu, tfjs-webgpu, tfjs-node, onnxruntime, pytorch, tensorflow-python/,
    ],
  ])('rejects %o', async (options, code, message) => {
    await expect(bench(small, { backend: 'reference', rounds: 1, ...options })).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    )
  })
})

describe('the peer on WebGPU', () => {
  const model = trainingStep(tiny, { loss, optimizer: sgd({ learningRate: 0.02, momentum: 0.9 }), weightDecay: 1e-3 })
  const timed = () =>
    bench(model, { batch: 8, rounds: 1, opByOp: false, backend: 'tfjs-cpu', against: ['tfjs-webgpu'] })
  test.runIf(hasAdapter)('has the loss of effuse (needs an adapter)', async () => {
    for (let time = 0; time < 2; time++)
      expect((await timed()).rows.map(({ name }) => name)).toEqual(['effuse', 'tfjs-webgpu'])
  })
})

describe('the race', () => {
  const contender = (name: string, loss: number | null, waitMs = 0): Contender & { readonly runs: () => number } => {
    let count = 0
    return {
      name,
      backend: 'none',
      amp: false,
      xla: true,
      compileMs: 0,
      peakBytes: null,
      run: async () => {
        count++
        if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
        return { loss }
      },
      runs: () => count,
      dispose: () => {},
    }
  }
  const options = { rounds: 5, budgetMs: 1000, sensitivity: () => Promise.resolve(0) }

  test('stops timing a contender that exceeds the budget, but not the others', async () => {
    const [quick, slow] = [contender('quick', null), contender('slow', null, 40)]
    const [first, second] = await race([quick, slow], { ...options, budgetMs: 60 })
    expect(first?.samples).toHaveLength(5)
    expect([1, 2]).toContain(second?.samples.length) // 40 ms plus overhead
    expect(slow.runs()).toBe(1 + 2 * (second?.samples.length ?? 0)) // each timed run follows an untimed one
    expect(quick.runs()).toBe(12)
  })

  test.each([
    [1, 1.0002, 0, false],
    [1, 1.00005, 0, true],
    [1, 1.5, 0.2, true],
    [1, 1.5, 0.1, false],
    [Number.NaN, Number.NaN, 0, false],
    [2, null, 0, true],
  ])('of losses %d and %d with rounding errors of %d: compares %s', async (a, b, rounding, compares) => {
    const run = race([contender('a', a), contender('b', b)], {
      ...options,
      sensitivity: () => Promise.resolve(rounding),
    })
    if (compares) await run
    else
      await expect(run).rejects.toMatchObject({ code: 'EF901', message: expect.stringContaining('cannot be compared') })
  })
})
