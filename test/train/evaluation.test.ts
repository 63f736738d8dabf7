/** Evaluation of valid rows, and of averages, with shared variables. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { add, cast, mul } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32 } from '../../src/ir/value.ts'
import { evaluationStep } from '../../src/passes/train/evaluation.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { memoryStore } from '../../src/train/checkpoint-store.ts'
import { evaluate } from '../../src/train/evaluate.ts'
import type { TrainingEvent } from '../../src/train/events.ts'
import { fit } from '../../src/train/fit.ts'
import type { DataSource } from '../../src/train/source.ts'
import { pictures, smallNet } from './small-data.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const model = graph('linear', { x: float32('batch', 3) }, ({ x }) => ({
  logits: nn.dense(x, { name: 'dense', units: 7 }),
}))
const x = Float32Array.from({ length: 4 * 3 }, (_, i) => Math.sin(i * 1.3))
const label = [2, 0, 6, 3]

/** Loss, hits and top-5 hits of the first rows, from the logits. */
const byHand = (logits: Float32Array, valid: number) => {
  const rows = label.slice(0, valid).map((right, n) => {
    const row = [...logits.subarray(n * 7, n * 7 + 7)]
    const order = row
      .map((v, i) => [v, i] as const)
      .sort(([a, i], [b, j]) => b - a || i - j)
      .map(([, i]) => i)
    const total = Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0))
    return {
      loss: total - (row[right] ?? Number.NaN),
      hit: order[0] === right,
      top5: order.slice(0, 5).includes(right),
    }
  })
  return {
    loss: rows.reduce((sum, r) => sum + r.loss, 0) / valid,
    correct: rows.filter((r) => r.hit).length,
    top5: rows.filter((r) => r.top5).length,
  }
}

describe.each(['reference', 'wasm', 'tfjs-wasm', ...withTensorflow] as const)('%s', (backend) => {
  test.each([1, 3, 4])('only the first %d rows count, with any content in the others', async (valid) => {
    using net = await compile(model, { backend, batch: 4, seed: 3 })
    using evaluator = await compile(evaluationStep(model, { loss: crossEntropy({ labelSmoothing: 0.1 }) }), {
      backend,
      batch: 4,
      variables: net.variables,
    })
    const want = byHand(await (await net.run({ x })).logits.data(), valid)
    const blank = x.map((v, i) => (i < valid * 3 ? v : Number.NaN))
    const results = await evaluator.run({ x: blank, label, valid })
    expect(await results.loss.item()).toBeCloseTo(want.loss, 5)
    expect([await results.correct.item(), await results.top5.item()]).toEqual([want.correct, want.top5])
  })
})

describe('averages', () => {
  const step = trainingStep(model, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.5 }), emaDecay: 0.5 })
  test('under plain names: read, shared on the backend, copied to another', async () => {
    using trainer = await compile(step, { backend: 'reference', batch: 4 })
    for (let n = 0; n < 3; n++) await trainer.run({ x, label })
    const { averages } = trainer.variables
    expect(averages.names()).toEqual(['dense/kernel', 'dense/bias'])
    expect(await averages.get('dense/kernel')).toEqual(await trainer.variables.get('ema/dense/kernel'))
    expect(await averages.get('dense/kernel')).not.toEqual(await trainer.variables.get('dense/kernel'))
    using shared = await compile(model, { backend: 'reference', batch: 4, variables: averages })
    using copied = await compile(model, { backend: referenceBackend(), batch: 4, variables: averages })
    using raw = await compile(model, { backend: 'reference', batch: 4, variables: trainer.variables })
    const logits = async (net: typeof shared) => (await net.run({ x })).logits.data()
    const before = await logits(shared)
    expect(await logits(copied)).toEqual(before)
    expect(await logits(raw)).not.toEqual(before)
    await trainer.run({ x, label })
    expect(await logits(shared)).not.toEqual(before)
    expect(await logits(copied)).toEqual(before)
    expect(await shared.variables.get('dense/bias')).toEqual(await trainer.variables.get('ema/dense/bias'))
  })
  test('variables without an average have their own values', async () => {
    const counted = graph('counted', { x: float32('batch', 3) }, ({ x }, b) => {
      const seen = b.variable('seen', { shape: [], dtype: 'int32', trainable: false })
      return { logits: mul(nn.dense(x, { name: 'dense', units: 7 }), add(cast(seen, 'float32'), 1)) }
    })
    const options = { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.5 }), emaDecay: 0.5 }
    using trainer = await compile(trainingStep(counted, options), { backend: 'reference', batch: 4 })
    await trainer.variables.set('seen', [7])
    const { averages } = trainer.variables
    expect(averages.names()).toEqual(['dense/kernel', 'dense/bias', 'seen'])
    using net = await compile(counted, { backend: 'reference', batch: 4, variables: await averages.save() })
    expect(await net.variables.get('seen', 'int32')).toEqual(Int32Array.of(7))
  })
  test('without averages: an error that says how to enable them', async () => {
    using net = await compile(model, { backend: 'reference' })
    expect(() => net.variables.averages).toThrow(
      expect.objectContaining({ code: 'EF407', hint: expect.stringContaining('emaDecay') }),
    )
  })
})

test('the first batch, the warm-up, counts in the metrics but not in the speed', async () => {
  const waitMs = 1500
  const data: DataSource = {
    ...pictures(10),
    async *batches(request) {
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      yield* pictures(10).batches(request)
    },
  }
  using net = await compile(smallNet(), { backend: 'tfjs-cpu', batch: 4 })
  const { count, latencyMs, imagesPerSecond } = await evaluate(smallNet(), { data, variables: net.variables, batch: 4 })
  expect(count).toBe(10)
  expect(latencyMs.p99).toBeLessThan(waitMs)
  expect(imagesPerSecond).toBeGreaterThan(10 / (waitMs / 1000))
  // The other batches have 4 and 2 rows.
  expect((imagesPerSecond * latencyMs.mean) / 1000).toBeCloseTo(3, 9)
  // The only batch counts for the speed.
  const single = await evaluate(smallNet(), { data, variables: net.variables, batch: 10 })
  expect(single.latencyMs.mean).toBeGreaterThanOrEqual(waitMs - 50) // timers may fire early
})

test('an invalid data source is rejected', async () => {
  using net = await compile(smallNet(), { backend: 'tfjs-cpu' })
  const options = { data: { train: pictures(10) } as never, variables: net.variables }
  await expect(evaluate(smallNet(), options)).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringContaining('option "data" must be a source of data with classes'),
  })
})

describe('a row whose loss is not finite', () => {
  const linear = graph('linear', { x: float32('batch', 1) }, ({ x }) => ({
    logits: nn.dense(x, { name: 'dense', units: 3 }),
  }))
  /** Rows with one number, three in a batch. */
  const rowsOf = (values: readonly number[]): DataSource => ({
    classes: ['a', 'b', 'c'],
    length: values.length,
    *batches({ batch }) {
      for (let at = 0; at < values.length; at += batch) {
        const x = Float32Array.from(values.slice(at, at + batch))
        yield { x, label: new Int32Array(x.length) }
      }
    },
  })

  test.each([
    [
      'reference',
      'in the data',
      [1, 2, 3, 4, 5, Number.NaN, 7],
      5,
      /the loss of row 5 is NaN.*the input "x" holds NaN in row 2 of its batch/,
    ],
    [
      'tfjs-wasm',
      'in the data',
      [1, Number.NaN, 3, Number.NaN],
      1,
      /the loss of row 1 is NaN.*the input "x" holds NaN in row 1 of its batch/,
    ],
    [
      'tfjs-cpu',
      'made by the network',
      [1, 2, 3, 4, 5, 6, 1e38],
      6,
      /the loss of row 6 is NaN.*all inputs of its batch are finite/,
    ],
  ] as const)(
    '%s, %s: ends the evaluation, and the error names the row',
    async (backend, _where, values, row, message) => {
      using net = await compile(linear, { backend })
      await net.variables.set('dense/kernel', [100, 50, -100])
      const options = { variables: net.variables, backend, batch: 3 }
      await expect(evaluate(linear, { ...options, data: rowsOf(values) })).rejects.toMatchObject({
        code: 'EF702',
        message: expect.stringMatching(message),
      })
      expect(await evaluate(linear, { ...options, data: rowsOf(values.slice(0, row)) })).toMatchObject({
        top1: 1,
        count: row,
      })
    },
  )

  test('during a run it is a notice; the evaluation is never the best, and the run continues', async () => {
    const checkpoints = memoryStore()
    const events: TrainingEvent[] = []
    using run = await fit(linear, {
      ...{ loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: 2, batch: 3, backend: 'tfjs-cpu' },
      data: { train: rowsOf([1, 2, 3, 4, 5, 6]), test: rowsOf([1, 2, 3, 4, Number.NaN]) },
      emaDecay: 0.5,
      checkpoints,
      onEvent: (event) => events.push(event),
    })
    expect(run).toMatchObject({ reason: 'finished', epochs: 2, top1: null, emaTop1: null })
    const evaluations = events.filter((event) => event.kind === 'evaluation')
    expect(evaluations).toHaveLength(2)
    for (const { top1, top5, loss, emaTop1, isBest } of evaluations)
      expect([top1, top5, loss, emaTop1, isBest]).toEqual([Number.NaN, Number.NaN, Number.NaN, Number.NaN, false])
    const notices = events.filter((event) => event.kind === 'notice')
    expect(notices.map(({ message }) => message)).toEqual(
      [0, 0, 1, 1].map((epoch) =>
        expect.stringMatching(new RegExp(`^epoch ${epoch}: .*the loss of row 4 is NaN.*"x" holds NaN in row 1`)),
      ),
    )
    expect(await checkpoints.list()).not.toContain('best.safetensors')
  })
})
