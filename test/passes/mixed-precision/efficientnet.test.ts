/** Mixed precision on EfficientNet: the number of casts, the proof that it is minimal, the time, and that nothing changes in float64. */
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { interpret } from '../../../src/ir/interpret.ts'
import { nodesOf, variablesOf } from '../../../src/ir/graph.ts'
import { genericTarget } from '../../../src/ir/target.ts'
import type { Graph } from '../../../src/ir/types.ts'
import { setSideTables, sideTables } from '../../../src/ir/side-tables.ts'
import { efficientNet, type EfficientNetOptions, type Variant } from '../../../src/models/efficientnet.ts'
import { amp } from '../../../src/passes/mixed-precision/amp.ts'
import type { AmpOptions } from '../../../src/passes/mixed-precision/options.ts'
import { decisionOf } from '../../../src/passes/mixed-precision/report.ts'
import { priceOf } from '../../../src/passes/mixed-precision/port-graph.ts'
import { graphOf, programOf } from '../../../src/passes/program.ts'
import { inferencePipeline, trainingPipeline } from '../../../src/passes/standard-pipelines.ts'
import { pipeline } from '../../../src/passes/pipeline.ts'
import { runPipeline } from '../../../src/passes/runner.ts'
import { crossEntropy } from '../../../src/passes/train/losses.ts'
import { rmsprop } from '../../../src/passes/train/optimizers.ts'
import { stepOptionsOf } from '../../../src/passes/train/declaration.ts'
import { trainingStep } from '../../../src/passes/train/step.ts'
import { ampTable } from '../../../scripts/support/amp-table.ts'
import { brokenLaws } from './laws.ts'

const [backend, switches] = [
  { legalize: [], fuse: [] },
  { simplify: true, fusion: true },
]

/** The graph that mixed precision receives, with composites. */
const inference = (variant: Variant, options: EfficientNetOptions = {}): Graph =>
  graphOf(
    runPipeline(inferencePipeline(backend, switches), programOf(efficientNet(variant, options).at({ batch: 1 })))
      .program,
  )
const training = (variant: Variant, batch: number, options: EfficientNetOptions = {}): Graph => {
  const step = trainingStep(efficientNet(variant, options), {
    loss: crossEntropy({ labelSmoothing: 0.1 }),
    optimizer: rmsprop({ learningRate: 0.01 }),
    weightDecay: 5e-6,
    emaDecay: 0.9999,
    lossScale: 'dynamic',
  })
  const options2 = stepOptionsOf(step)
  if (options2 === null) throw new Error('a training step has options')
  return graphOf(runPipeline(trainingPipeline(backend, switches, options2), programOf(step.at({ batch }))).program)
}
const halved = (graph: Graph, wideOutputs: boolean, options: AmpOptions = {}) => {
  const { program, records } = runPipeline(pipeline([amp(options)]), programOf(graph), {
    target: { ...genericTarget, wideOutputs },
  })
  const after = graphOf(program)
  const decision = decisionOf(after)
  if (decision === null) throw new Error('the pass ran')
  return { after, decision, ms: records[0]?.ms ?? Number.NaN }
}

describe('casts', () => {
  const graphs = new Map<string, Graph>()
  beforeAll(() => {
    graphs.set('B0 inference', inference('b0'))
    graphs.set('B4 inference', inference('b4'))
    graphs.set('B0 training', training('b0', 8))
  })
  // With wide results the logits need no cast: of the two casts at the ends, only that of the image is left.
  test.each([
    ['B0 inference', true, 1, 1],
    ['B4 inference', true, 1, 1],
    ['B0 training', true, 2, 116],
    ['B0 inference', false, 2, 0],
    ['B4 inference', false, 2, 0],
    ['B0 training', false, 117, 0],
  ])('%s, wide results %s: %i, and %i absorbed', (name, wideOutputs, casts, absorbed) => {
    const graph = graphs.get(name) as Graph // made above
    const { after, decision } = halved(graph, wideOutputs)
    expect(decision.report).toMatchObject({ casts, absorbed, lowerBound: casts, warnings: [] })
    expect(priceOf(decision.problem.ports, decision.isHalf).contractions).toBe(0)
    expect(brokenLaws(graph, after, 'float16')).toEqual([])
  })
  // Composites prevent a comparison node by node. TensorFlow has 36, 68 and 184 in its graphs (tensorflow-goldens.test.ts).
  test.each([
    ['B0 inference', 36, 2],
    ['B4 inference', 68, 2],
    ['B0 training', 183, 117],
  ])("%s with TensorFlow's strategy: %i, while %i suffice", (name, casts, lowerBound) => {
    const graph = graphs.get(name) as Graph // made above
    const { after, decision } = halved(graph, false, { strategy: 'tensorflow' })
    expect(decision.report).toMatchObject({ casts, absorbed: 0, lowerBound, strategy: 'tensorflow' })
    expect(priceOf(decision.problem.ports, decision.isHalf).contractions).toBe(0)
    // Painting keeps the bias of the last matmul in float32, also in TensorFlow: there is a cast before it.
    const broken = brokenLaws(graph, after, 'float16')
    expect(broken.filter((law) => !law.startsWith('between a contraction and its epilogue'))).toEqual([])
  })
  test('one per weight: 82 kernels and 32 biases of squeeze-excite; batch norms need none', () =>
    expect(halved(graphs.get('B0 training') as Graph, true).decision.report.weightCasts).toBe(114))
})

test('docs/amp.md has the table that scripts/amp-table.mjs writes', () => {
  const page = readFileSync(new URL('../../../docs/amp.md', import.meta.url), 'utf8')
  const [head = '', rule, ...rows] = ampTable(() => {}, ['b0', 'b4']).split('\n')
  expect(page).toContain(`${head}\n${rule}\n`)
  expect(rows).toHaveLength(4)
  for (const row of rows) expect(page).toContain(`\n${row}\n`)
})

test("B7's training graph takes less than 1.5 s", () => {
  const graph = training('b7', 8)
  expect(nodesOf(graph).length).toBeGreaterThan(10_000)
  const times = [1, 2, 3].map(() => halved(setSideTables({ ...graph }, sideTables(graph)), true).ms) // a copy, so that no analysis is cached
  expect(Math.min(...times)).toBeLessThan(1500)
})

describe('in float64 nothing changes', () => {
  const small: EfficientNetOptions = { classes: 5, resolution: 16 }
  // The interpreter needs twenty seconds for the optimizer with all weights of B0.
  const fewer: EfficientNetOptions = {
    ...small,
    blocks: [
      { kernel: 3, repeats: 1, filters: 16, expand: 1, strides: 1 },
      { kernel: 5, repeats: 2, filters: 24, expand: 6, strides: 2 },
    ],
  }
  test.each([
    ['B0 inference', () => inference('b0', small)],
    ['training with two rows of B0', () => training('b0', 2, fewer)],
  ])('%s, bit by bit', (_name, make) => {
    const graph = make()
    const { after } = halved(graph, true)
    const inputs = {
      image: Float64Array.from({ length: 2 * 16 * 16 * 3 }, (_, i) => (i * 89) % 256).subarray(
        0,
        graph.inputs.length > 1 ? undefined : 16 * 16 * 3,
      ),
      label: [1, 4],
    }
    // Statistics and optimizer slots must be positive.
    const variables = new Map(
      variablesOf(graph).map((node, n) => {
        const size = node.types[0]?.shape.reduce((a, b) => a * b, 1) ?? 1
        return [node.attrs.name, Float64Array.from({ length: size }, (_, i) => 0.1 + ((i * 37 + n * 11) % 64) / 256)]
      }),
    )
    variables.set('step', Float64Array.of(3))
    variables.set('lossScale/goodSteps', Float64Array.of(7))
    const [want, got] = [graph, after].map((g) => interpret(g, { inputs, variables, mode: 'float64' }))
    for (const [name, tensor] of Object.entries(want?.outputs ?? {}))
      expect(Array.from(got?.outputs[name]?.data ?? [])).toEqual(Array.from(tensor.data))
    for (const [name, tensor] of want?.updates ?? [])
      expect(Array.from(got?.updates.get(name)?.data ?? [])).toEqual(Array.from(tensor.data))
    expect([...(want?.outputs[graph.inputs.length > 1 ? 'loss' : 'logits']?.data ?? [])].every(Number.isFinite)).toBe(
      true,
    )
  })
})
