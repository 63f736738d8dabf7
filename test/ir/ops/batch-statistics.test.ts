/**
 * The statistics of batch norms in float32 with a mean far from 0, compared with float64 on the same float32 data. The mean of squares minus the
 * squared mean has an error of 2^-24 mean^2, which is the whole variance for a deviation of 1 and a mean of 4096. Two passes have an error of the
 * squared rounding of the mean, 2^-48 mean^2.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { growth } from '../../../src/backends/tolerance.ts'
import { compile } from '../../../src/compile.ts'
import type { BackendName } from '../../../src/backends/catalog.ts'
import { Builder } from '../../../src/ir/build.ts'
import { batchNorm } from '../../../src/ir/nn.ts'
import { graph } from '../../../src/ir/model.ts'
import { mul, mean } from '../../../src/ir/functions.ts'
import { interpret } from '../../../src/ir/interpret.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { float32 } from '../../../src/ir/value.ts'
import { loss } from '../../../src/passes/train/losses.ts'
import { sgd } from '../../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../../src/passes/train/step.ts'
import { withTensorflow } from '../../support/tensorflow.ts'

const eps = 2 ** -23
/** The distance of subnormal float32 numbers. */
const smallest = 2 ** -149
const epsilon = 1e-3

interface Batch {
  readonly rows: number
  readonly channels: number
  /** Row-major [rows,channels], float32. */
  readonly x: Float32Array<ArrayBuffer>
}

/** Channels with different means, up to 10^6, and deviations. The noise is a fixed irregular wave. */
const batches: fc.Arbitrary<Batch> = fc
  .record({
    rows: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 100, max: 2000 })),
    means: fc.array(fc.oneof(fc.constantFrom(0, 1, 4096, 1e6), fc.double({ min: -1e6, max: 1e6, noNaN: true })), {
      minLength: 1,
      maxLength: 3,
    }),
    deviation: fc.constantFrom(0, 0.1, 1, 30),
    seed: fc.nat(1000),
  })
  .map(({ rows, means, deviation, seed }) => ({
    rows,
    channels: means.length,
    x: Float32Array.from({ length: rows * means.length }, (_, i) => {
      const wave = Math.sin(seed + i * 1.7) + Math.cos(i * i * 0.37)
      return (means[i % means.length] ?? 0) + deviation * wave
    }),
  }))

/** Found once: half of the smallest number is not representable, and rounds to 0. */
const ofTheSmallest: Batch = { rows: 100, channels: 1, x: new Float32Array(100).fill(-smallest) }

const truth = ({ rows, channels, x }: Batch) =>
  Array.from({ length: channels }, (_, c) => {
    const column = Float64Array.from({ length: rows }, (_v, r) => x[r * channels + c] ?? Number.NaN)
    // Deviations from the first element: the mean costs no digits, even in float64.
    const origin = column[0] ?? 0
    const shifted = column.map((v) => v - origin)
    const offset = shifted.reduce((a, b) => a + b, 0) / rows
    const variance = shifted.reduce((a, b) => a + (b - offset) ** 2, 0) / rows
    return { mean: origin + offset, variance, largest: column.reduce((a, b) => Math.max(a, Math.abs(b)), 0) }
  })

type Got = { readonly y: ArrayLike<number>; readonly mean: ArrayLike<number>; readonly variance: ArrayLike<number> }
const check = (batch: Batch, got: Got): void => {
  truth(batch).forEach(({ mean: m, variance: v, largest }, c) => {
    // The effect of rounding the mean: an error in its last digits, and the square of that error in the variance.
    const slip = 1.5 * eps * largest + smallest
    const near = (value: number, want: number, tolerance: number, what: string): void => {
      if (!(Math.abs(value - want) <= tolerance))
        expect.fail(`${what} of channel ${c} is ${value}, expected ${want} +- ${tolerance}`)
    }
    near(got.mean[c] ?? Number.NaN, m, slip, 'mean')
    near(got.variance[c] ?? Number.NaN, v, 8 * eps * v + 2 * slip ** 2, 'variance')
    // Rounding the mean shifts every y of the channel by the same amount; rounding the variance scales it.
    for (let r = 0; r < batch.rows; r++) {
      const x = batch.x[r * batch.channels + c] ?? Number.NaN
      const want = (x - m) / Math.sqrt(v + epsilon)
      const off = 2 * slip + Math.abs(x - m) * (8 * eps + slip ** 2 / (v + epsilon))
      near(got.y[r * batch.channels + c] ?? Number.NaN, want, off / Math.sqrt(v + epsilon), `y of row ${r}`)
    }
  })
}

const training = (rows: number, channels: number, decompose: boolean) => {
  const b = new Builder('statistics')
  const x = b.input('x', { dtype: 'float32', shape: [rows, channels] })
  const vector = (value: number) => b.broadcast(b.constant(value), [channels], [])
  const inputs = [x, vector(1), vector(0)] as const
  const [y, m, v] = decompose
    ? (opDef('batchNormTraining').decompose?.({ inputs, attrs: { epsilon }, types: [], b }) ?? [])
    : b.emit('batchNormTraining', inputs, { epsilon })
  if (y === undefined || m === undefined || v === undefined) throw new Error('three results')
  return b.finish({ y, mean: m, variance: v })
}

describe('statistics of a batch', () => {
  test.each([false, true])('the reference in float32, decomposed: %s', (decompose) => {
    fc.assert(
      fc.property(batches, (batch) => {
        const { outputs } = interpret(training(batch.rows, batch.channels, decompose), { inputs: { x: batch.x } })
        const { y, mean: m, variance } = outputs
        check(batch, { y: y?.data ?? [], mean: m?.data ?? [], variance: variance?.data ?? [] })
      }),
      { numRuns: 60, examples: [[ofTheSmallest]] },
    )
  })
  test('the bound is strict enough: the mean of squares minus the squared mean violates it', () => {
    const x = Float32Array.from({ length: 200 }, (_, i) => 4096 + Math.sin(i * 1.7))
    const [m, squares] = [x, x.map((v) => v * v)].map((list) => Math.fround(list.reduce((a, v) => a + v, 0) / 200))
    const variance = [Math.fround((squares ?? 0) - Math.fround((m ?? 0) ** 2))]
    expect(() => check({ rows: 200, channels: 1, x }, { y: x, mean: [m ?? 0], variance })).toThrow(/^variance/)
  })
})

/** A single norm, trained for one step. Afterwards its moving statistics are 0.5 * (0, 1) + 0.5 * those of the batch, with Bessel's N / (N - 1). */
describe.each<BackendName>(['wasm', 'tfjs-wasm', 'tfjs-cpu', 'reference', ...withTensorflow])(
  '%s: moving statistics of a training step',
  (backend) => {
    test('means up to 10^6', async () => {
      await fc.assert(
        fc.asyncProperty(batches, async (batch) => {
          const { rows, channels, x } = batch
          const net = graph('norm', { x: float32('batch', channels) }, (given) => ({
            y: batchNorm(given.x, { name: 'bn', momentum: 0.5, epsilon }),
          }))
          const step = trainingStep(net, {
            loss: loss({}, ({ y }) => mean(mul(y, y))),
            optimizer: sgd({ learningRate: 0.1 }),
          })
          using trainer = await compile(step, { backend, batch: rows })
          await trainer.run({
            x: Array.from({ length: rows }, (_, r) => [...x.subarray(r * channels, (r + 1) * channels)]),
          })
          const [m, v] = [await trainer.variables.get('bn/mean'), await trainer.variables.get('bn/variance')]
          truth(batch).forEach((want, c) => {
            // tensorflowDeviations: sums in float32, in an order of its own.
            const units = backend === 'tensorflow' ? growth(rows) / 2 : 1.5
            const slip = units * eps * want.largest + smallest
            expect(Math.abs((m[c] ?? Number.NaN) - want.mean / 2)).toBeLessThanOrEqual(slip)
            const unbiased = (want.variance * rows) / Math.max(rows - 1, 1)
            const off = Math.abs((v[c] ?? Number.NaN) - (1 + unbiased) / 2)
            expect(off).toBeLessThanOrEqual(8 * eps * (1 + unbiased) + 4 * slip ** 2)
          })
        }),
        { numRuns: 15, examples: [[ofTheSmallest]] },
      )
    })
  },
)
