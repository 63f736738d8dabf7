/** Class weights of cross-entropy compared with PyTorch's CrossEntropyLoss: values and gradients; and errors. */
import { readFileSync } from 'node:fs'
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

interface Case {
  readonly name: string
  readonly labels: 'index' | 'distribution'
  readonly classWeights: readonly number[]
  readonly labelSmoothing: number
  readonly label: readonly number[]
  readonly loss: number
  readonly gradient: readonly number[]
}
interface Golden {
  readonly classes: number
  readonly logits: readonly number[]
  readonly cases: readonly Case[]
}
const golden: Golden = JSON.parse(
  readFileSync(new URL('../goldens/training/cross-entropy.json', import.meta.url), 'utf8'),
)

/** One type for both kinds of labels: their feeds are chosen at run time here. */
type AnyLoss = Loss<Signature, { readonly logits: TensorType<'float32', 2> }>
const lossOf = ({
  labels,
  labelSmoothing,
  classWeights,
}: Pick<Case, 'labels' | 'labelSmoothing' | 'classWeights'>): AnyLoss =>
  (labels === 'index'
    ? crossEntropy({ labelSmoothing, classWeights })
    : crossEntropy({ labels: 'distribution', labelSmoothing, classWeights })) as unknown as AnyLoss

/** A model whose logits are its only variable, so that a rate of 1 shows the gradient. */
const modelOf = (rows: number, classes: number) =>
  graph('logits', { rows: float32('batch') }, ({ rows: { shape } }, b) => {
    const logits = b.variable('logits', { shape: [rows, classes] })
    return { logits: b.slice(logits, [0, 0], [shape[0] ?? 0, classes]) as Value<'float32', 2> } // of the variable's type
  })

const backends = ['reference', 'wasm', 'tfjs-wasm', 'tfjs-cpu', ...withTensorflow] as const
const stepOf = async (
  backend: (typeof backends)[number],
  loss: AnyLoss,
  { logits, label, classes }: { logits: readonly number[]; label: readonly number[]; classes: number },
): Promise<{ readonly loss: number; readonly gradient: readonly number[] }> => {
  const batch = logits.length / classes
  const step = trainingStep(modelOf(batch, classes), { loss, optimizer: sgd({ learningRate: 1 }) })
  using net = await compile(step, { backend, batch })
  await net.variables.set('logits', logits)
  const results = await net.run({
    rows: new Float32Array(batch),
    label: label.length === batch ? Int32Array.from(label) : Float32Array.from(label),
  })
  expect(await results.finite.item()).toBe(true)
  const velocity = await net.variables.get('optimizer/logits/momentum')
  return { loss: await results.loss.item(), gradient: Array.from(velocity, (v) => -v) }
}

describe.each(backends)('%s', (backend) => {
  test.each(golden.cases)('PyTorch: $name', async (known) => {
    const got = await stepOf(backend, lossOf(known), { ...golden, label: known.label })
    expect(got.loss).toBeCloseTo(known.loss, 5)
    expect(got.gradient).toHaveLength(known.gradient.length)
    known.gradient.forEach((want, i) => expect(got.gradient[i]).toBeCloseTo(want, 6))
  })

  test('a batch whose classes all have weight 0 has loss 0, and changes nothing', async () => {
    const loss = lossOf({ labels: 'index', labelSmoothing: 0.1, classWeights: [0, 1, 0] })
    const got = await stepOf(backend, loss, { classes: 3, logits: [1, 2, 3, 4, 5, 6], label: [0, 2] })
    expect(got.loss).toBe(0)
    expect(got.gradient.map(Math.abs)).toEqual([0, 0, 0, 0, 0, 0])
  })
})

test('integer weights are equivalent to repeated rows', async () => {
  const drawn = fc.record({
    weights: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 3, maxLength: 3 }),
    label: fc.array(fc.nat(2), { minLength: 2, maxLength: 4 }),
    logits: fc.array(fc.double({ min: -5, max: 5, noNaN: true }).map(Math.fround), { minLength: 12, maxLength: 12 }),
  })
  await fc.assert(
    fc.asyncProperty(drawn, async ({ weights, label, logits }) => {
      const rows = label.map((kind, n) => ({ kind, logits: logits.slice(3 * n, 3 * n + 3) }))
      const repeated = rows.flatMap((row) => new Array<typeof row>(weights[row.kind] ?? 0).fill(row))
      const feeds = (of: typeof rows) => ({
        classes: 3,
        logits: of.flatMap((row) => row.logits),
        label: of.map(({ kind }) => kind),
      })
      const weighted = lossOf({ labels: 'index', labelSmoothing: 0, classWeights: weights })
      const plain = crossEntropy() as unknown as AnyLoss // like lossOf()
      const got = await stepOf('reference', weighted, feeds(rows))
      const want = await stepOf('reference', plain, feeds(repeated))
      expect(got.loss).toBeCloseTo(want.loss, 5)
    }),
    { numRuns: 25 },
  )
})

test('an evaluation ignores class weights', async () => {
  const { classes, logits, cases } = golden
  const label = cases[0]?.label ?? []
  const model = modelOf(label.length, classes)
  const options = { backend: 'reference', batch: label.length } as const
  const losses = await Promise.all(
    [crossEntropy(), crossEntropy({ classWeights: [9, 1, 0, 2] })].map(async (loss) => {
      using net = await compile(evaluationStep(model, { loss }), options)
      await net.variables.set('logits', logits)
      const results = await net.run({ rows: new Float32Array(label.length), label, valid: label.length })
      return await results.loss.item()
    }),
  )
  expect(losses[1]).toBe(losses[0])
})

describe('rejected', () => {
  test.each([
    ['a negative weight', [1, -0.5, 1]],
    ['NaN', [1, Number.NaN, 1]],
    ['infinity', [1, Infinity, 1]],
    ['more than float32 holds', [1, 1e39, 1]],
    ['nothing but zeros', [0, 0, 0]],
    ['zeros once they are float32', [1e-60, 0, 0]],
    ['an empty list', []],
    ['text', ['1', '2', '3'] as unknown as number[]],
    ['no list', 3 as unknown as number[]],
  ])('%s', (_, classWeights) => {
    expect(() => crossEntropy({ classWeights })).toThrow(
      expect.objectContaining({ code: 'EF403', message: expect.stringContaining('"classWeights"') }),
    )
  })
  test.each([[[1, 2]], [[1, 2, 3, 4]]])('a wrong number of weights: %j', (classWeights) => {
    const loss = crossEntropy({ classWeights })
    for (const declare of [
      () => trainingStep(modelOf(2, 3), { loss, optimizer: sgd({ learningRate: 1 }) }),
      () => evaluationStep(modelOf(2, 3), { loss }),
    ])
      expect(declare).toThrow(
        expect.objectContaining({
          code: 'EF403',
          message: `option "classWeights" has ${classWeights.length} weights, and the model has 3 classes`,
        }),
      )
  })
})
