/** The built-in digits: the split, the order, and that a network learns from them. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { digits, shuffled } from '../../src/data/digits.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { adam } from '../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../src/passes/train/step.ts'

const { train, test: heldOut } = digits()

describe('data', () => {
  test('10,000 pictures, every fifth of each class held out, none in both', () => {
    expect(train.length + heldOut.length).toBe(train.labels.length + heldOut.labels.length)
    expect(train.length + heldOut.length).toBeGreaterThan(9_990)
    expect(heldOut.length / (train.length + heldOut.length)).toBeCloseTo(0.2, 3)
    for (let c = 0; c < 10; c++)
      expect(train.labels.filter((l) => l === c).length / heldOut.labels.filter((l) => l === c).length).toBeCloseTo(
        4,
        1,
      )
    const key = (set: typeof train, n: number) =>
      Buffer.from(set.images.subarray(n * 784, (n + 1) * 784)).toString('base64')
    const seen = new Set(Array.from({ length: train.length }, (_, n) => key(train, n)))
    expect(Array.from({ length: heldOut.length }, (_, n) => key(heldOut, n)).filter((k) => seen.has(k))).toEqual([])
    expect(train.images.reduce((a, b) => Math.max(a, b), 0)).toBe(255)
  })
  test('batches: each picture once per epoch, by seed and epoch alone, another order each epoch', () => {
    const labelsOf = (epoch: number, seed: number) =>
      [...train.batches({ batch: 500, epoch, seed })].map(({ label }) => [...label])
    expect(labelsOf(0, 1)).toEqual(labelsOf(0, 1))
    expect(labelsOf(1, 1)).not.toEqual(labelsOf(0, 1))
    expect(labelsOf(0, 2)).not.toEqual(labelsOf(0, 1))
    expect([...shuffled(100, 3, 4)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(() => [...heldOut.batches({ batch: 100_000, epoch: 0 })]).toThrow(expect.objectContaining({ code: 'EF403' }))
  })
})

test('a network of three blocks gets below half the loss of guessing within 60 steps', async () => {
  const model = efficientNet('b0', {
    classes: 10,
    resolution: 28,
    inChannels: 1,
    stochasticDepth: 0,
    dropout: 0,
    blocks: [
      { kernel: 3, repeats: 1, filters: 16, expand: 1, strides: 2 },
      { kernel: 3, repeats: 1, filters: 24, expand: 2, strides: 2 },
    ],
  })
  using trainer = await compile(
    trainingStep(model, { loss: crossEntropy(), optimizer: adam({ learningRate: 3e-3 }) }),
    { backend: 'tfjs-wasm', batch: 50 },
  )
  const losses: number[] = []
  for (const feeds of train.batches({ batch: 50, epoch: 0 })) {
    const results = await trainer.run(feeds)
    losses.push(await results.loss.item())
    for (const result of Object.values(results)) result.dispose()
    if (losses.length === 60) break
  }
  const last = losses.slice(-10).reduce((a, b) => a + b, 0) / 10
  expect(last).toBeLessThan(Math.log(10) / 2)
})
