/** Custom metrics and the confusion matrix, compared with a computation from the logits. */
import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { abs, argMax, cast, equal, greater, mul, reduceMax, softmax, sub } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32, type Value } from '../../src/ir/value.ts'
import { evaluationStep } from '../../src/passes/train/evaluation.ts'
import { crossEntropy, loss } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { evaluate } from '../../src/train/evaluate.ts'
import type { EvaluationEvent } from '../../src/train/events.ts'
import { fit } from '../../src/train/fit.ts'
import { mistakesIn } from '../../src/train/evaluation-sums.ts'
import type { DataSource } from '../../src/train/source.ts'
import { withTensorflow } from '../support/tensorflow.ts'

const classes = ['a', 'b', 'c', 'd']
/** The logits equal the feed. */
const echo = graph('echo', { x: float32('batch', 4) }, ({ x }, b) => {
  const scale = b.variable('scale', { shape: [], init: { kind: 'ones' } })
  return { logits: mul(x, scale as Value<'float32', 0>) } // declared so
})

interface Row {
  readonly logits: readonly number[]
  readonly label: number
}
const sourceOf = (rows: readonly Row[]): DataSource => ({
  classes,
  length: rows.length,
  *batches({ batch }) {
    for (let at = 0; at < rows.length; at += batch) {
      const part = rows.slice(at, at + batch)
      yield {
        x: Float32Array.from(part.flatMap((row) => row.logits)),
        label: Int32Array.from(part, (row) => row.label),
      }
    }
  },
})
const rowsDrawn: fc.Arbitrary<readonly Row[]> = fc.array(
  fc.record({
    // Few values, so that many logits are equal.
    logits: fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 4, maxLength: 4 }),
    label: fc.nat(3),
  }),
  { minLength: 1, maxLength: 17 },
)
const first = (list: readonly number[]): number => list.indexOf(Math.max(...list))
const mean = (list: readonly number[]): number => list.reduce((sum, v) => sum + v, 0) / list.length
const confusionOf = (rows: readonly Row[]): number[] => {
  const counts = new Array<number>(16).fill(0)
  for (const { logits, label } of rows) {
    const at = label * 4 + first(logits)
    counts[at] = (counts[at] ?? 0) + 1
  }
  return counts
}
const shareOf = (logits: readonly number[]): number =>
  Math.max(...logits.map(Math.exp)) / logits.reduce((sum, v) => sum + Math.exp(v), 0)

describe.each(['reference', 'wasm', 'tfjs-wasm', 'tfjs-cpu', ...withTensorflow] as const)('%s', (backend) => {
  test('matrix and metrics of any rows and batches; padding rows of the last batch do not count', async () => {
    using net = await compile(echo, { backend })
    await fc.assert(
      fc.asyncProperty(rowsDrawn, fc.integer({ min: 1, max: 6 }), async (rows, batch) => {
        const found = await evaluate(echo, {
          ...{ backend, data: sourceOf(rows), variables: net.variables, batch, confusion: true },
          metrics: {
            isRight: ({ logits }, { label }) => equal(argMax(logits, 1), label),
            distance: ({ logits }, { label }) => abs(cast(sub(argMax(logits, 1), label), 'float32')),
            confidence: ({ logits }) => reduceMax(softmax(logits, 1), [1]),
          },
        })
        expectTypeOf(found.metrics).toEqualTypeOf<{
          readonly isRight: number
          readonly distance: number
          readonly confidence: number
        }>()
        const { confusion, metrics, top1 } = found
        expect(confusion?.classes).toEqual(classes)
        expect(confusion?.counts).toEqual(Int32Array.from(confusionOf(rows)))
        expect(metrics.isRight).toBeCloseTo(top1, 6)
        expect(metrics.distance).toBeCloseTo(mean(rows.map((row) => Math.abs(first(row.logits) - row.label))), 5)
        expect(metrics.confidence).toBeCloseTo(mean(rows.map((row) => shareOf(row.logits))), 5)
      }),
      { numRuns: 20 },
    )
  })
})

test('only requested metrics exist', async () => {
  using net = await compile(echo, { backend: 'reference' })
  const rows = [{ logits: [1, 0, 0, 0], label: 0 }]
  const found = await evaluate(echo, { backend: 'reference', data: sourceOf(rows), variables: net.variables })
  expect([found.metrics, found.confusion]).toEqual([{}, null])
})

test('distributions: the label is the largest share, the first of equal ones', async () => {
  using net = await compile(echo, { backend: 'reference' })
  const data: DataSource = {
    classes,
    length: 2,
    batches: () => [
      { x: Float32Array.of(0, 5, 5, 0, 9, 0, 0, 0), label: Float32Array.of(0, 0, 0.5, 0.5, 0.1, 0.2, 0.3, 0.4) },
    ],
  }
  const { confusion } = await evaluate(echo, {
    ...{ backend: 'reference', data, variables: net.variables, batch: 2, confusion: true },
    loss: crossEntropy({ labels: 'distribution' }),
  })
  expect(confusion?.counts).toEqual(Int32Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0))
})

test('mistakes: the most frequent first, with their share of the class', () => {
  const counts = Int32Array.of(3, 1, 0, 0, 4, 0, 2, 0, 5)
  expect(mistakesIn({ classes: ['x', 'y', 'z'], counts })).toEqual([
    { wanted: 'z', predicted: 'x', count: 2, share: 2 / 7 },
    { wanted: 'x', predicted: 'y', count: 1, share: 0.25 },
  ])
})

test('a padding row whose metric is NaN does not count, and a real row does', async () => {
  using net = await compile(echo, { backend: 'reference' })
  const odd = ({ logits }: { readonly logits: Value<'float32', 2> }) => {
    const top = reduceMax(logits, [1])
    return sub(top, mul(top, 0)) // NaN of infinity
  }
  const step = evaluationStep(echo, { loss: crossEntropy(), metrics: { odd } })
  using net2 = await compile(step, { backend: 'reference', batch: 3, variables: net.variables })
  const x = Float32Array.of(1, 0, 0, 0, 3, 0, 0, 0, Infinity, Infinity, Infinity, Infinity)
  const results = await net2.run({ x, label: [0, 0, 0], valid: 2 })
  expect(await results.odd.item()).toBe(2)
  const all = await net2.run({ x, label: [0, 0, 0], valid: 3 })
  expect(await all.odd.item()).toBeNaN()
})

describe('in a run', () => {
  const linear = graph('linear', { x: float32('batch', 4) }, ({ x }) => ({
    logits: nn.dense(x, { name: 'dense', units: 4 }),
  }))
  const rows = Array.from({ length: 10 }, (_, n) => ({ logits: [n % 3, n % 2, 1, -n], label: n % 4 }))

  test('events have the metrics of the weights and of their averages, as computed by evaluate()', async () => {
    const events: EvaluationEvent[] = []
    const metrics = {
      isSure: ({ logits }: { readonly logits: Value<'float32', 2> }) =>
        greater(reduceMax(softmax(logits, 1), [1]), 0.5),
      top: ({ logits }: { readonly logits: Value<'float32', 2> }) => reduceMax(logits, [1]),
    }
    const data = sourceOf(rows)
    using run = await fit(linear, {
      ...{ loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: 2, batch: 4, backend: 'reference' },
      ...{ data: { train: data, test: data }, emaDecay: 0.5, metrics },
      onEvent: (event) => {
        if (event.kind === 'evaluation') events.push(event)
      },
    })
    const options = { data, backend: 'reference', batch: 4, metrics } as const
    const raw = await evaluate(linear, { ...options, variables: run.variables })
    const averaged = await evaluate(linear, { ...options, variables: run.variables.averages })
    expect(events).toHaveLength(2)
    expect(events[1]?.metrics).toEqual(raw.metrics)
    expect(events[1]?.emaMetrics).toEqual(averaged.metrics)
    expect(averaged.metrics.top).not.toBe(raw.metrics.top)
  })

  test('without evaluation data they are rejected', async () => {
    await expect(
      fit(linear, {
        ...{ loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), epochs: 1, batch: 4 },
        ...{ data: { train: sourceOf(rows) }, metrics: { top: ({ logits }) => reduceMax(logits, [1]) } },
      }),
    ).rejects.toMatchObject({ code: 'EF403', message: expect.stringContaining('data.test') })
  })
})

describe('rejected', () => {
  const top = ({ logits }: { readonly logits: Value<'float32', 2> }) => reduceMax(logits, [1])
  test.each([
    ['a name that an evaluation has', { loss: top }],
    ['a name with a space', { 'my metric': top }],
    ['what is no function', { top: 3 }],
    ['a list', [top]],
    ['null', null],
  ])('%s', (_, metrics) => {
    expect(() => evaluationStep(echo, { loss: crossEntropy(), metrics: metrics as never })).toThrow(
      expect.objectContaining({ code: 'EF403', message: expect.stringContaining('"metrics"') }),
    )
  })
  test.each([
    ['a scalar', ({ logits }: { logits: Value }) => reduceMax(logits, [0, 1]), /returned float32\[\] for a batch of 2/],
    ['a matrix', ({ logits }: { logits: Value }) => logits, /returned float32\[2,4\]/],
    ['the sum over rows', ({ logits }: { logits: Value }) => reduceMax(logits, [0]), /returned float32\[4\]/],
    ['nothing', () => undefined, /returned undefined/],
    ['a number', () => 0.5, /returned 0.5/],
    ['a promise', async ({ logits }: { logits: Value }) => cast(logits, 'int32'), /returned a promise/],
  ])('%s', (_, metric, message) => {
    expect(() => evaluationStep(echo, { loss: crossEntropy(), metrics: { mine: metric as never } })).toThrow(
      expect.objectContaining({ code: 'EF111', message: expect.stringMatching(message) }),
    )
  })
  test('a matrix for a loss without classes', async () => {
    const own = loss({ wanted: float32('batch') }, ({ logits }: { logits: Value<'float32', 2> }, { wanted }) =>
      mul(reduceMax(logits, [0, 1]), reduceMax(wanted, [0])),
    )
    const rows: NonNullable<typeof own.rows> = ({ logits }, { wanted }) => {
      const isRight = equal(wanted, wanted)
      return { loss: reduceMax(logits, [1]), isRight, isTop5: isRight }
    }
    using net = await compile(echo, { backend: 'reference' })
    await expect(
      evaluate(echo, { data: sourceOf([]), variables: net.variables, loss: { ...own, rows }, confusion: true }),
    ).rejects.toMatchObject({ code: 'EF111', message: expect.stringContaining('confusion matrix') })
  })
})
