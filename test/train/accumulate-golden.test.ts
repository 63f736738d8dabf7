/** Accumulation around batch norm, compared with PyTorch in float64 (scripts/goldens/make_accumulation.py). */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { float32, graph, mean, nn, read, silu } from '../../src/index.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { adam, sgd } from '../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { float64Trainer } from '../support/float64-trainer.ts'
import { withTensorflow } from '../support/tensorflow.ts'

type Values = { readonly [name: string]: readonly number[] }
interface MicroBatch {
  readonly image: readonly number[]
  readonly label: readonly number[]
  readonly dataLoss: number
  readonly 'bn/mean': readonly number[]
  readonly 'bn/variance': readonly number[]
  /** After the last micro-batch of an update. */
  readonly variables?: Values
  readonly averages?: Values
}
interface Case {
  readonly optimizer: 'sgd' | 'adam'
  readonly accumulate: number
  readonly batch: number
  readonly weightDecay: number
  readonly clipNorm: number | null
  readonly emaDecay: number
  readonly initial: Values
  readonly microBatches: readonly MicroBatch[]
}
const golden: { readonly cases: readonly Case[] } = JSON.parse(
  readFileSync(new URL('../goldens/training/accumulation.json', import.meta.url), 'utf8'),
)

const net = graph('net', { image: float32('batch', 5, 5, 2) }, ({ image }) => {
  const y = nn.batchNorm(nn.conv2d(image, { name: 'conv', filters: 3, kernel: 3 }), { name: 'bn', momentum: 0.9 })
  return { logits: nn.dense(mean(silu(y), [1, 2]), { name: 'dense', units: 3 }) }
})
const optimizers = {
  sgd: sgd({ learningRate: 0.1, momentum: 0.9 }),
  adam: adam({ learningRate: 0.02 }),
}
const stepOf = ({ optimizer, accumulate, weightDecay, clipNorm, emaDecay }: Case) =>
  trainingStep(net, {
    loss: crossEntropy(),
    optimizer: optimizers[optimizer],
    accumulate,
    weightDecay,
    clipNorm: clipNorm ?? undefined,
    emaDecay,
  })
/** The expected state after a run, by variable. */
const wantedAfter = (micro: MicroBatch): Values => ({
  'bn/mean': micro['bn/mean'],
  'bn/variance': micro['bn/variance'],
  ...micro.variables,
  ...Object.fromEntries(Object.entries(micro.averages ?? {}).map(([name, values]) => [`ema/${name}`, values])),
})

describe.each(golden.cases)('$accumulate micro-batches of $batch, $optimizer', (given) => {
  test('the same losses, statistics, weights and averages in float64', () => {
    const trainer = float64Trainer(stepOf(given), given.batch)
    for (const [name, values] of Object.entries(given.initial)) {
      trainer.variables.set(name, Float64Array.from(values))
      trainer.variables.set(`ema/${name}`, Float64Array.from(values))
    }
    for (const [i, micro] of given.microBatches.entries()) {
      const { dataLoss, updated } = trainer.run({ image: micro.image, label: micro.label })
      expect(dataLoss?.[0]).toBeCloseTo(micro.dataLoss, 11)
      expect(updated?.[0]).toBe((i + 1) % given.accumulate === 0 ? 1 : 0)
      for (const [name, values] of Object.entries(wantedAfter(micro)))
        values.forEach((v, at) => expect(trainer.variables.get(name)?.[at]).toBeCloseTo(v, 11))
    }
  })

  test.each(['reference', 'wasm', 'tfjs-wasm', ...withTensorflow] as const)('on %s within float32', async (backend) => {
    using trainer = await compile(stepOf(given), { backend, batch: given.batch })
    for (const [name, values] of Object.entries(given.initial)) {
      await trainer.variables.set(name, values)
      await trainer.variables.set(`ema/${name}`, values)
    }
    for (const micro of given.microBatches) {
      const { dataLoss, updated } = await read(
        await trainer.run({ image: Float32Array.from(micro.image), label: Int32Array.from(micro.label) }),
      )
      expect(dataLoss).toBeCloseTo(micro.dataLoss, 5)
      expect(updated).toBe(micro.variables !== undefined)
      for (const [name, values] of Object.entries(wantedAfter(micro))) {
        const got = await trainer.variables.get(name)
        values.forEach((v, at) => expect(got[at]).toBeCloseTo(v, 5))
      }
    }
  })
})
test('there are cases of two updates each', () => {
  expect(golden.cases.map(({ accumulate, microBatches }) => [accumulate, microBatches.length])).toEqual([
    [2, 4],
    [3, 6],
  ])
})
