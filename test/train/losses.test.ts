/** Cross-entropy with label smoothing compared with a formula in float64: index and distribution labels, extreme logits, and its gradient. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { graph } from '../../src/ir/model.ts'
import { float32, type Signature, type TensorType, type Value } from '../../src/ir/value.ts'
import { evaluationStep } from '../../src/passes/train/evaluation.ts'
import { crossEntropy, type Loss } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { withTensorflow } from '../support/tensorflow.ts'

interface Batch {
  readonly classes: number
  /** Rows of logits, float32. */
  readonly logits: readonly (readonly number[])[]
  readonly index: readonly number[]
  /** Rows with a sum of 1. */
  readonly distribution: readonly (readonly number[])[]
  readonly smoothing: number
}
const logit = fc.oneof(
  fc.double({ min: -8, max: 8, noNaN: true }),
  fc.constantFrom(0, 88.7, -88.7, 104, -104, 1e4, -1e4, 1e30, -1e30),
)
const batches: fc.Arbitrary<Batch> = fc
  .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 6 }))
  .chain(([rows, classes]) => {
    const each = <T>(element: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
      fc.array(element, { minLength: rows, maxLength: rows })
    const line = <T>(element: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
      fc.array(element, { minLength: classes, maxLength: classes })
    return fc.record({
      classes: fc.constant(classes),
      logits: each(line(logit.map(Math.fround))),
      index: each(fc.nat(classes - 1)),
      distribution: each(
        line(fc.nat(8)).map((w) => w.map((x, i) => (x + (i === 0 ? 1 : 0)) / (w.reduce((a, b) => a + b, 0) + 1))),
      ),
      smoothing: fc.constantFrom(0, 0.1, 0.5, 0.9),
    })
  })

/** -sum y log softmax(x) with smoothed y, and its gradient softmax(x) - y. It subtracts the largest logit, as usual. */
const byHand = (x: readonly number[], label: readonly number[], smoothing: number) => {
  const y = label.map((v) => (1 - smoothing) * v + smoothing / label.length)
  const top = Math.max(...x)
  const total = x.reduce((sum, v) => sum + Math.exp(v - top), 0)
  const terms = x.map((v, c) => (y[c] ?? 0) * (Math.log(total) - (v - top)))
  return {
    loss: terms.reduce((sum, v) => sum + v, 0),
    gradient: x.map((v, c) => Math.exp(v - top) / total - (y[c] ?? 0)),
  }
}
const mean = (list: readonly number[]): number => list.reduce((sum, v) => sum + v, 0) / list.length

/** A model of four rows whose logits are its only variable, so that a rate of 1 shows the gradient. */
const modelOf = (classes: number) =>
  graph('logits', { rows: float32('batch') }, ({ rows }, b) => {
    const logits = b.variable('logits', { shape: [4, classes] })
    return { logits: b.slice(logits, [0, 0], [rows.shape[0] ?? 0, classes]) as Value<'float32', 2> } // of the variable's type
  })
/** One type for both kinds of labels: their feeds are chosen at run time here. */
type AnyLoss = Loss<Signature, { readonly logits: TensorType<'float32', 2> }>
const lossOf = (labels: 'index' | 'distribution', labelSmoothing: number): AnyLoss =>
  (labels === 'index'
    ? crossEntropy({ labelSmoothing })
    : crossEntropy({ labels: 'distribution', labelSmoothing })) as unknown as AnyLoss

const near = (got: number, want: number, scale: number): void => {
  if (!(Math.abs(got - want) <= 1e-6 * scale)) expect.fail(`got ${got}, expected ${want}`)
}

type Backend = 'reference' | 'wasm' | 'tfjs-wasm' | 'tfjs-cpu' | 'tensorflow'
const check = async (backend: Backend, labels: 'index' | 'distribution', drawn: Batch): Promise<void> => {
  const { classes, logits, index, distribution, smoothing } = drawn
  const batch = logits.length
  const exact = index.map((right, n) =>
    Array.from({ length: classes }, (_, c) =>
      labels === 'distribution' ? Math.fround(distribution[n]?.[c] ?? Number.NaN) : Number(c === right),
    ),
  )
  const rowOf = (n: number, smooth: number) => byHand(logits[n] ?? [], exact[n] ?? [], smooth)
  const want = logits.map((_, n) => rowOf(n, smoothing))
  const model = modelOf(classes)
  const start = [...logits.flat(), ...new Array<number>((4 - batch) * classes).fill(0)]
  const feeds = {
    rows: new Float32Array(batch),
    label: labels === 'index' ? Int32Array.from(index) : Float32Array.from(exact.flat()),
  }

  const loss = lossOf(labels, smoothing)
  using net = await compile(trainingStep(model, { loss, optimizer: sgd({ learningRate: 1 }) }), { backend, batch })
  await net.variables.set('logits', start)
  const results = await net.run(feeds)
  const total = mean(want.map((row) => row.loss))
  near(await results.loss.item(), total, Math.max(1, Math.abs(total)))
  const best = (row: readonly number[]): number => row.indexOf(Math.max(...row))
  const correct = logits.filter((row, n) => best(row) === best(exact[n] ?? [])).length
  expect(await results.correct.item()).toBe(correct)
  const velocity = await net.variables.get('optimizer/logits/momentum')
  const gradients = want.flatMap(({ gradient }) => gradient)
  gradients.forEach((g, i) => near(-(velocity[i] ?? Number.NaN), g / batch, 1))

  // An evaluation does not smooth labels.
  using evaluator = await compile(evaluationStep(model, { loss }), { backend, batch })
  await evaluator.variables.set('logits', start)
  const evaluated = await evaluator.run({ ...feeds, valid: Int32Array.of(batch) })
  const plain = mean(logits.map((_, n) => rowOf(n, 0).loss))
  near(await evaluated.loss.item(), plain, Math.max(1, Math.abs(plain)))
  expect(await evaluated.correct.item()).toBe(correct)
}

describe.each(['reference', 'wasm', 'tfjs-wasm', 'tfjs-cpu', ...withTensorflow] as const)('%s', (backend) => {
  test.each(['index', 'distribution'] as const)(
    'labels by %s',
    async (labels) => {
      await fc.assert(
        fc.asyncProperty(batches, async (drawn) => {
          await check(backend, labels, drawn)
        }),
        { numRuns: 25 },
      )
    },
    180_000,
  )
})

describe.each(['reference', 'wasm', 'tfjs-wasm'] as const)(
  'run() of a step on %s applies the formula to labels that are not distributions',
  (backend) => {
    const at = async (label: readonly (readonly number[])[]): Promise<number> => {
      using step = await compile(
        evaluationStep(
          graph('scores', { x: float32('batch', 3) }, ({ x }) => ({ logits: x })),
          { loss: crossEntropy({ labels: 'distribution' }) },
        ),
        { backend, batch: 2 },
      )
      const x = [
        [0.5, -1, 2],
        [1, 1, -3],
      ]
      const { loss } = await step.run({ x, label, valid: 2 })
      return loss.item()
    }
    test('a row times 2 counts twice, and a row of zeros has loss 0', async () => {
      const row = [0.25, 0.5, 0.25]
      const once = await at([row, [0, 0, 0]])
      expect(once).toBeGreaterThan(0.1)
      expect(await at([row.map((v) => 2 * v), [0, 0, 0]])).toBeCloseTo(2 * once, 5)
      expect(
        await at([
          [0, 0, 0],
          [0, 0, 0],
        ]),
      ).toBe(0)
    })
  },
)
