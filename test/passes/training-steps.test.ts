/**
 * Random small training steps under the passes. Passes that preserve the meaning of a step are judged by what they declare. Passes that change it are
 * judged by independent definitions: gradients by differences of the loss, updates by the formulas of the optimizers.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { interpret } from '../../src/ir/interpret.ts'
import { variablesOf } from '../../src/ir/graph.ts'
import { amp } from '../../src/passes/mixed-precision/amp.ts'
import { trainingPipeline } from '../../src/passes/standard-pipelines.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { meaningJudge } from '../../src/passes/judge.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import type { StepOptions } from '../../src/passes/train/step.ts'
import { fuseTfjs } from '../../src/backends/tfjs/fuse-tfjs.ts'
import { decomposeOps } from '../../src/passes/decompose.ts'
import { float64Trainer } from '../support/float64-trainer.ts'
import { goldenUniform } from '../support/golden-weights.ts'
import { type Layer, layerLists, stepOfLayers, stepOptions } from '../../src/testing/index.ts'

const batch = 3
const stepOf = (layers: readonly Layer[], options: Partial<StepOptions> = {}) =>
  stepOfLayers(layers, { optimizer: sgd({ learningRate: 1 }), ...options })
const fed = (seed: number) => ({
  image: goldenUniform(`image/${seed}`, batch * 6 * 6 * 2).map((u) => 4 * u - 2),
  label: Array.from({ length: batch }, (_, i) => (seed + i) % 3),
})
test('every pass of the training pipeline is judged and preserves what it declares on every step', () => {
  const legalize = [decomposeOps(['batchNormInference', 'silu', 'mean'])]
  fc.assert(
    fc.property(layerLists, stepOptions, fc.boolean(), (layers, drawn, isHalf) => {
      const base = trainingPipeline({ legalize, fuse: [fuseTfjs] }, { simplify: true, fusion: true }, drawn)
      const precise = isHalf ? base.after('apply-optimizer', amp({ dtype: 'float16' })) : base
      const { records } = runPipeline(precise, programOf(stepOf(layers, drawn).at({ batch })), {
        verify: true,
        judge: meaningJudge,
      })
      const unjudged = records.filter(
        ({ checked }) => checked.how === 'not' && checked.why !== 'the pass changes the meaning on purpose',
      )
      expect(unjudged).toEqual([])
    }),
    { numRuns: 15 },
  )
}, 300_000)

type Point = ReadonlyMap<string, Float64Array>
const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, x, i) => sum + x * (b[i] ?? Number.NaN), 0)
const at = (point: Point, name: string): Float64Array => point.get(name) ?? new Float64Array()
/** The step from the trainer's initial state: before, after, and the trained variables. */
const trained = (layers: readonly Layer[], drawn: Partial<StepOptions>, seed: number, runs = 1) => {
  const step = stepOf(layers, drawn)
  const trainer = float64Trainer(step, batch, seed)
  const before: Point = new Map(trainer.variables)
  for (let n = 0; n < runs; n++) trainer.run(fed(seed + n))
  const names = variablesOf(step.at({ batch })).flatMap(({ attrs }) => (attrs.trainable ? [attrs.name] : []))
  return { before, after: new Map(trainer.variables) as Point, names }
}
/** With a rate of 1, gradient descent subtracts the gradient. */
const gradientOf = (layers: readonly Layer[], drawn: Partial<StepOptions>, seed: number, runs = 1): Point => {
  const { before, after, names } = trained(layers, { ...drawn, optimizer: sgd({ learningRate: 1 }) }, seed, runs)
  return new Map(names.map((name) => [name, at(before, name).map((w, i) => w - (at(after, name)[i] ?? Number.NaN))]))
}
const near = (got: Float64Array, want: Float64Array, what: string): void => {
  const scale = want.reduce((most, x) => Math.max(most, Math.abs(x)), 1)
  expect(got.length).toBe(want.length)
  got.forEach((g, i) => {
    const w = want[i] ?? Number.NaN
    if (!(Math.abs(g - w) <= 1e-9 * scale)) expect.fail(`${what}[${i}] is ${g}, expected ${w}`)
  })
}

describe('passes that change the meaning', () => {
  test('differentiate, scale-loss, unscale and accumulate: gradients are the differences of the loss', () => {
    let [checked, kinks] = [0, 0]
    const scales = fc.constantFrom<StepOptions['lossScale']>('none', 1024, 'dynamic')
    fc.assert(
      fc.property(layerLists, fc.constantFrom(1, 2), scales, fc.nat(1000), (layers, accumulate, lossScale, seed) => {
        const gradient = gradientOf(layers, { accumulate, lossScale }, seed, accumulate)
        const forward = graphOf(
          runPipeline(parsePipeline('to-training'), programOf(stepOf(layers).at({ batch }))).program,
        )
        const { before } = trained(layers, {}, seed, 0)
        const along: Point = new Map(
          [...gradient].map(([name, g]) => [name, goldenUniform(`along ${name}`, g.length).map((u) => 2 * u - 1)]),
        )
        const lossAt = (delta: number): number => {
          const variables = new Map(
            [...before].map(([name, w]) => [name, w.map((x, i) => x + delta * (along.get(name)?.[i] ?? 0))]),
          )
          const losses = Array.from({ length: accumulate }, (_, n) =>
            interpret(forward, { inputs: fed(seed + n), variables, mode: 'float64', seed, runIndex: n }),
          ).map(({ outputs }) => outputs['loss']?.data[0] ?? Number.NaN)
          return losses.reduce((sum, x) => sum + x, 0) / accumulate
        }
        const slope = (h: number): number =>
          (8 * (lossAt(h) - lossAt(-h)) - (lossAt(2 * h) - lossAt(-2 * h))) / (12 * h)
        const [coarse, fine] = [slope(1e-4), slope(2.5e-5)]
        // At a kink the slope depends on the step.
        if (!(Math.abs(coarse - fine) < 1e-6 * (1 + Math.abs(fine)))) {
          kinks++
          return
        }
        checked++
        const got = [...gradient].reduce((sum, [name, g]) => sum + dot(g, at(along, name)), 0)
        if (!(Math.abs(got - fine) <= 1e-5 * (1 + Math.abs(fine))))
          expect.fail(`the gradient says ${got}, differences ${fine}`)
      }),
      { numRuns: 40 },
    )
    expect(checked).toBeGreaterThan(kinks)
  }, 300_000)

  test('clip, weight-decay, apply-optimizer and moving-averages: variables change by the formulas', () => {
    const rules = fc.record({
      clipNorm: fc.constantFrom(undefined, 0.0625, 1024),
      weightDecay: fc.constantFrom(0, 0.125),
      emaDecay: fc.constantFrom(undefined, 0.75),
      kind: fc.constantFrom('sgd', 'nesterov', 'rmsprop'),
    })
    fc.assert(
      fc.property(layerLists, rules, fc.nat(1000), (layers, { clipNorm, weightDecay, emaDecay, kind }, seed) => {
        const optimizer =
          kind === 'rmsprop'
            ? rmsprop({ learningRate: 0.125, rho: 0.75, epsilon: 0.25, initialMeanSquare: 1 })
            : sgd({ learningRate: 0.125, momentum: 0.5, nesterov: kind === 'nesterov' })
        const { before, after, names } = trained(layers, { optimizer, clipNorm, weightDecay, emaDecay }, seed)
        const plain = gradientOf(layers, {}, seed)
        // Decay applies to kernels and biases, not to scales and offsets of norms.
        const decayed = new Map(
          [...plain].map(([name, g]) => [
            name,
            g.map((x, i) => x + (/(kernel|bias)$/.test(name) ? 2 * weightDecay * (at(before, name)[i] ?? 0) : 0)),
          ]),
        )
        const norm = Math.sqrt([...decayed.values()].reduce((sum, g) => sum + dot(g, g), 0))
        const shrink = clipNorm === undefined || norm <= clipNorm ? 1 : clipNorm / norm
        const move = (g: number): number =>
          kind === 'rmsprop'
            ? (0.125 * g) / Math.sqrt(0.75 + 0.25 * g * g + 0.25)
            : 0.125 * g * (kind === 'nesterov' ? 1.5 : 1)
        for (const name of names) {
          const [w, g] = [at(before, name), at(decayed, name)]
          const want = w.map((x, i) => x - move(shrink * (g[i] ?? Number.NaN)))
          near(at(after, name), want, name)
          if (emaDecay === undefined) continue
          const decay = Math.min(emaDecay, 2 / 11) // (1 + t) / (10 + t) at the first update
          const average = at(before, `ema/${name}`)
          near(
            at(after, `ema/${name}`),
            average.map((x, i) => decay * x + (1 - decay) * (want[i] ?? Number.NaN)),
            `ema/${name}`,
          )
        }
      }),
      { numRuns: 30 },
    )
  }, 300_000)
})
