/** The built-in digits: the split, the order, shifts and sizes, and that a network learns from them. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { digits } from '../../src/data/digits.ts'
import { shuffled } from '../../src/data/draws.ts'
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
  test('every picture once per epoch, in an order that depends on seed and epoch; test data in file order', () => {
    const labelsOf = (epoch: number, seed: number) =>
      [...train.batches({ batch: 500, epoch, seed })].flatMap(({ label }) => [...label])
    expect(labelsOf(0, 1)).toEqual(labelsOf(0, 1))
    expect(labelsOf(1, 1)).not.toEqual(labelsOf(0, 1))
    expect(labelsOf(0, 2)).not.toEqual(labelsOf(0, 1))
    expect(labelsOf(0, 1).sort()).toEqual([...train.labels].sort())
    expect([...shuffled(100, 3, 4)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i))
    const held = [...heldOut.batches({ batch: 300, epoch: 3, seed: 9, augmentation: 5 })]
    expect(held.map(({ label }) => label.length)).toEqual([300, 300, 300, 300, 300, 300, heldOut.length - 1800])
    expect(Buffer.concat(held.map(({ image }) => image)).equals(heldOut.images)).toBe(true)
    expect(held.flatMap(({ label }) => [...label])).toEqual([...heldOut.labels])
  })
  test('skip omits the first batches, and the batch size affects neither order nor shifts', () => {
    const rows = (batch: number, skip?: number) => {
      const all = [...train.batches({ batch, epoch: 2, seed: 4, augmentation: 3, skip })]
      return Buffer.concat(all.map(({ image }) => image))
    }
    const whole = rows(1000)
    expect(rows(37).equals(whole)).toBe(true)
    expect(rows(1000, 5).equals(whole.subarray(5 * 1000 * 784))).toBe(true)
    expect(rows(1000, 50).length).toBe(0)
  })
  test('shifts move a picture by a uniform number of pixels up to the maximum, without clipping it', () => {
    const request = { batch: train.length, epoch: 0, seed: 6 }
    const [plain, moved] = [0, 2.9].map((augmentation) => [...train.batches({ ...request, augmentation })][0])
    if (plain === undefined || moved === undefined) return expect.unreachable()
    const counts = new Map<string, number>()
    for (let n = 0; n < 1000; n++) {
      const [before, after] = [plain.image, moved.image].map((image) => [...image.subarray(n * 784, (n + 1) * 784)])
      if (before === undefined || after === undefined) return expect.unreachable()
      const found = shifts.find(([down, right]) => after.every((v, i) => v === (pixel(before, i, down, right) ?? 0)))
      counts.set(String(found), (counts.get(String(found)) ?? 0) + 1)
    }
    expect([...counts.keys()].sort()).toEqual(shifts.map(String).sort())
    expect([...counts.values()].reduce((sum, c) => sum + (c - 40) ** 2 / 40, 0)).toBeLessThan(2 * 24)
  })
  test('other sizes are resized', () => {
    const [batch] = train.batches({ batch: 3, epoch: 0, size: [14, 7] })
    expect(batch?.image.length).toBe(3 * 14 * 7)
    const [whole] = train.batches({ batch: 3, epoch: 0 })
    const mean = (image: Uint8Array | undefined) => [...(image ?? [])].reduce((a, b) => a + b, 0) / (image?.length ?? 1)
    expect(mean(batch?.image)).toBeCloseTo(mean(whole?.image), -0.5)
  })
  test.each([
    [{ batch: 0, epoch: 0 }, '"batch" must be a positive integer, got 0'],
    [{ batch: 8, epoch: -1 }, '"epoch" must be an integer from 0 to 2^32 - 1, got -1'],
    [{ batch: 8, epoch: 0, seed: 0.5 }, '"seed" must be an integer from 0 to 2^32 - 1, got 0.5'],
    [{ batch: 8, epoch: 0, skip: -1 }, '"skip" must be an integer of at least 0, got -1'],
    [{ batch: 8, epoch: 0, size: [28, 0] as const }, '"size" must be [height, width]'],
    [{ batch: 8, epoch: 0, augmentation: Number.NaN }, '"augmentation" must be a number of at least 0, got NaN'],
  ])('%o is rejected at the call', (request, message) => {
    expect(() => train.batches(request)).toThrow(
      expect.objectContaining({ code: 'EF403', message: expect.stringContaining(message) }),
    )
  })
  test('an abort ends the batches', () => {
    const abort = new AbortController()
    const batches = train.batches({ batch: 10, epoch: 0, signal: abort.signal })
    batches.next()
    abort.abort(new Error('enough'))
    expect(() => batches.next()).toThrow('enough')
  })
})

const shifts = [-2, -1, 0, 1, 2].flatMap((down) => [-2, -1, 0, 1, 2].map((right) => [down, right] as const))
/** The source pixel of pixel i after a shift. */
const pixel = (picture: readonly number[], i: number, down: number, right: number): number | undefined => {
  const [y, x] = [Math.floor(i / 28) - down, (i % 28) - right]
  return x < 0 || x > 27 ? 0 : picture[y * 28 + x]
}

test('a network of three blocks reaches half the loss of guessing within 60 steps', async () => {
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
