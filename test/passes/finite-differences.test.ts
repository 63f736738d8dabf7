/**
 * Reverse mode compared with differences in float64, under fast-check: random small EfficientNets in training form, with equal random draws of
 * dropout and stochastic depth on both sides, and the random graphs of effuse/testing with all of their kinks and jumps.
 */
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { Edit } from '../../src/ir/edit.ts'
import { liveOrder, nodeAt, variablesOf } from '../../src/ir/graph.ts'
import { initialValues } from '../../src/ir/initializers.ts'
import { interpret, type Numbers } from '../../src/ir/interpret.ts'
import { isFloat, type Graph, type Ref } from '../../src/ir/types.ts'
import type { Value } from '../../src/ir/value.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { gradientPrefix } from '../../src/passes/autodiff/differentiate.ts'
import { targetIn } from '../../src/passes/autodiff/differentiate.ts'
import { reverse } from '../../src/passes/autodiff/reverse.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { crossEntropy } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { anyGraph, feedsFor } from '../../src/testing/index.ts'
import { goldenUniform } from '../support/golden-weights.ts'

type Point = ReadonlyMap<string, Float64Array>
const direction = (name: string, length: number): Float64Array => goldenUniform(name, length).map((u) => 2 * u - 1)
const dot = (a: Numbers, b: Numbers): number =>
  Array.from({ length: a.length }, (_, i) => (a[i] ?? Number.NaN) * (b[i] ?? Number.NaN)).reduce((s, v) => s + v, 0)
/** The point moved by `delta` along the given directions. */
const moved = (at: Point, along: Point, delta: number): Point =>
  new Map(
    [...at].map(([name, x]) => {
      const d = along.get(name)
      return [name, d === undefined ? x : x.map((v, i) => v + delta * (d[i] ?? Number.NaN))]
    }),
  )
/** Fourth order: the error is h^4 times the fifth derivative. */
const slopeOf = (f: (delta: number) => number, h: number): number =>
  (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)

describe('EfficientNet with dropout and stochastic depth', () => {
  const row = fc.record({
    kernel: fc.constantFrom(3, 5),
    repeats: fc.integer({ min: 1, max: 2 }),
    filters: fc.constantFrom(4, 8),
    expand: fc.integer({ min: 1, max: 3 }),
    strides: fc.constantFrom<1 | 2>(1, 2),
    squeezeExcite: fc.constantFrom(0, 0.25, 0.5),
  })
  const nets = fc.record({
    blocks: fc.array(row, { minLength: 1, maxLength: 2 }),
    size: fc.tuple(fc.integer({ min: 6, max: 9 }), fc.integer({ min: 6, max: 9 })),
    batch: fc.integer({ min: 3, max: 4 }),
    padding: fc.constantFrom<'same' | 'symmetric'>('same', 'symmetric'),
    dropout: fc.constantFrom(0.2, 0.5),
    stochasticDepth: fc.constantFrom(0.3, 0.6),
    labelSmoothing: fc.constantFrom(0, 0.1),
    seed: fc.nat(2 ** 20),
  })
  test('directional derivatives of the loss with respect to every variable', () => {
    let [drawn, differing] = [0, 0]
    fc.assert(
      fc.property(nets, ({ blocks, size, batch, padding, dropout, stochasticDepth, labelSmoothing, seed }) => {
        const model = efficientNet('b0', { classes: 5, resolution: size, blocks, padding, dropout, stochasticDepth })
        const step = trainingStep(model, {
          loss: crossEntropy({ labelSmoothing }),
          optimizer: sgd({ learningRate: 1 }),
        })
        const declared = step.at({ batch })
        const trained = graphOf(runPipeline(parsePipeline('to-training'), programOf(declared)).program) // the input program
        const withGradients = graphOf(runPipeline(parsePipeline('differentiate'), programOf(trained)).program)
        const at: Point = new Map(
          variablesOf(trained).map(({ attrs: { name, init }, types }) => {
            const shape = types[0]?.shape ?? []
            const noise = direction(
              `${name}/${seed}`,
              shape.reduce((a, b) => a * b, 1),
            )
            // All variables are random: with initial values, scales would be 1 and offsets 0 everywhere.
            return [
              name,
              Float64Array.from(initialValues(init, shape, { seed, name }), (v, i) => v + 0.2 * (noise[i] ?? 0)),
            ]
          }),
        )
        const inputs = {
          image: goldenUniform(`image/${seed}`, batch * size[0] * size[1] * 3).map((u) => 255 * u),
          label: Array.from({ length: batch }, (_, i) => (seed + 3 * i) % 5),
        }
        const run = (variables: Point, runIndex = seed, graph = trained) =>
          interpret(graph, { inputs, variables, mode: 'float64', seed, runIndex }).outputs
        const found = run(at, seed, withGradients)
        const lossAt = (along: Point) => (delta: number) => run(moved(at, along, delta))['loss']?.data[0] ?? Number.NaN
        const names = variablesOf(trained).flatMap(({ attrs }) => (attrs.trainable ? [attrs.name] : []))
        let [total, all] = [0, new Map<string, Float64Array>()]
        for (const name of names) {
          const gradient = found[`${gradientPrefix}${name}`]?.data ?? new Float64Array()
          const d = direction(`along ${name}`, gradient.length).map((v) => v / Math.sqrt(gradient.length))
          const [got, want] = [dot(gradient, d), slopeOf(lossAt(new Map([[name, d]])), 1e-4)]
          total += got
          all = all.set(name, d)
          if (!(Math.abs(got - want) <= 1e-9 + 1e-7 * Math.abs(want)))
            expect.fail(`${name}: the gradient says ${got}, differences ${want}`)
        }
        const together = slopeOf(lossAt(all), 1e-4)
        expect(Math.abs(total - together)).toBeLessThanOrEqual(1e-8 + 1e-6 * Math.abs(together))
        drawn++
        if (run(at, seed + 1)['loss']?.data[0] !== found['loss']?.data[0]) differing++
      }),
      { numRuns: 6 },
    )
    // The random draws have an effect: another run has another loss.
    expect(differing).toBeGreaterThan(drawn / 2)
  }, 300_000)
})

describe('random graphs', () => {
  const tally = { checked: 0, skipped: 0 }
  /** The graph with the output `loss`, the mean of tanh of all float outputs, and its gradients with respect to inputs and variables. */
  const withGradients = (graph: Graph): { readonly graph: Graph; readonly names: readonly string[] } => {
    const edit = new Edit(graph, 'gradients')
    const b = edit.emitter(nodeAt(graph, (graph.outputs[0] as { readonly value: Ref }).value.id), 'loss') // anyGraph has outputs
    const terms = graph.outputs.flatMap(({ value }): Value[] => {
      const y = edit.value(value, b)
      return isFloat(y.dtype)
        ? [
            b.mean(
              b.tanh(y),
              y.shape.map((_, axis) => axis),
            ),
          ]
        : []
    })
    const scalar = terms.reduce<Value>((sum, term) => b.add(sum, term), b.splat(0, { dtype: 'float32', shape: [] }))
    edit.setOutputs([...graph.outputs, { name: 'loss', value: scalar }])
    const forward = edit.commit()
    const sources = liveOrder(forward).flatMap((n) => (n.op === 'input' || n.op === 'variable' ? [n] : []))
    const again = new Edit(forward, 'gradients')
    const loss = (forward.outputs.at(-1) as { readonly value: Ref }).value // added above
    const gradients = reverse(
      targetIn(again),
      loss,
      sources.map(({ id }) => ({ id, port: 0 })),
    )
    again.setOutputs([
      ...forward.outputs,
      ...sources.map((n, i) => ({ name: `d ${n.attrs.name}`, value: gradients[i] as Value })), // one gradient for each
    ])
    return { graph: again.commit(), names: sources.map((n) => n.attrs.name) }
  }
  test('where the loss is smooth, its directional derivative agrees with the gradient', () => {
    fc.assert(
      fc.property(anyGraph({ mixedTypes: false, effects: false, stepsMax: 10 }), fc.nat(1000), (drawn, seed) => {
        const { graph, names } = withGradients(drawn.graph)
        const { inputs, variables } = feedsFor(graph, seed)
        // Away from the grid of the feeds, so that exact ties come only from the graph.
        const at: Point = new Map(
          [...Object.entries(inputs), ...variables].map(([name, x]) => {
            const noise = direction(`off ${name} ${seed}`, x.length)
            return [name, x.map((v, i) => v / 2 + 0.01 * (noise[i] ?? 0))]
          }),
        )
        const along: Point = new Map([...at].map(([name, x]) => [name, direction(`along ${name} ${seed}`, x.length)]))
        let hasNumbers = true
        const run = (point: Point) => {
          const feeds = Object.fromEntries(point)
          return interpret(graph, {
            inputs: feeds,
            variables: point,
            mode: 'float64',
            onNode: (_, results) => {
              hasNumbers &&= results.every(({ data }) => data.every(Number.isFinite))
            },
          }).outputs
        }
        const found = run(at)
        const f = (delta: number) => run(moved(at, along, delta))['loss']?.data[0] ?? Number.NaN
        const h = 1e-5
        const [here, ahead, behind] = [f(0), f(h), f(-h)]
        const [forward, backward] = [(ahead - here) / h, (here - behind) / h]
        const central = slopeOf(f, h)
        // Infinities have no differences. At a kink the sides differ; at a jump the slope depends on h.
        const size = 1 + Math.abs(central)
        const isSmooth =
          hasNumbers &&
          Math.abs(forward - backward) < 1e-2 * size &&
          Math.abs(central - slopeOf(f, h / 4)) < 1e-6 * size
        if (!isSmooth) {
          tally.skipped++
          return
        }
        tally.checked++
        const got = names.reduce((sum, name) => sum + dot(found[`d ${name}`]?.data ?? [], along.get(name) ?? []), 0)
        if (!(Math.abs(got - central) <= 2e-6 * size)) expect.fail(`the gradient says ${got}, differences ${central}`)
      }),
      { numRuns: 600 },
    )
  }, 300_000)
  afterAll(() => {
    expect(tally.checked).toBeGreaterThan(2 * tally.skipped)
  })
})
