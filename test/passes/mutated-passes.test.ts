/** One node that a pass made becomes another op. Where the whole graph has other results then, judging the pass by regions must find it. */
import { expect, test } from 'vitest'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import { liveOrder } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { setSideTables, sideTables } from '../../src/ir/side-tables.ts'
import type { Graph, Node } from '../../src/ir/types.ts'
import { checkRegions } from '../../src/passes/check-regions.ts'
import { numericDifference } from '../../src/passes/compare-results.ts'
import { graphOf, graphsOf, programOf } from '../../src/passes/program.ts'
import { calmed, generator, positiveVariables, randomFeeds } from '../../src/passes/random-feeds.ts'
import { runPass } from '../../src/passes/run-pass.ts'
import { trainingPipeline } from '../../src/passes/standard-pipelines.ts'
import { rmsprop } from '../../src/passes/train/optimizers.ts'
import { stepOfLayers } from '../../src/testing/networks.ts'

/** Another op with the same operands, attributes and type. */
const others = new Map([
  ['add', 'sub'],
  ['sub', 'add'],
  ['mul', 'maximum'],
  ['div', 'mul'],
  ['neg', 'abs'],
  ['rsqrt', 'sqrt'],
])

const replaced = (graph: Graph, id: number, change: object): Graph => {
  const nodes = graph.nodes.map((node) => (node?.id === id ? (Object.freeze({ ...node, ...change }) as Node) : node))
  return setSideTables(Object.freeze({ ...graph, nodes: Object.freeze(nodes) }), sideTables(graph))
}

/** The graph with another op at one place, for each place that fits: a node, or a node in the body of a fusion. */
const mutantsOf = (graph: Graph, fits: (node: Node) => boolean): readonly Graph[] =>
  liveOrder(graph)
    .filter(fits)
    .flatMap((node) => {
      if (node.op === 'fusion') {
        const bodies = mutantsOf(node.attrs.body, () => true)
        return bodies.map((body) => replaced(graph, node.id, { attrs: Object.freeze({ ...node.attrs, body }) }))
      }
      const op = others.get(node.op)
      return op === undefined ? [] : [replaced(graph, node.id, { op })]
    })

test('a changed op anywhere in a training step is found', async () => {
  const backend = await createWasmBackend({ threads: 1 })
  const options = { optimizer: rmsprop({ learningRate: 0.125 }), weightDecay: 0.125, emaDecay: 0.75 }
  const layers = [
    [0, 1],
    [2, 0],
    [3, 0],
    [2, 0],
  ] as const
  const step = stepOfLayers(layers, options)
  const start = programOf(step.at({ batch: 2 }), step.name)
  const judged = new Map<string, number>()
  let before = start
  for (const pass of trainingPipeline(backend, { simplify: true, fusion: true }, options).passes) {
    const after = runPass(pass, before, { target: backend.target, declared: start, report: () => {} })
    const [was, is] = [graphOf(before), graphOf(after)]
    const known = new Set(was.nodes)
    const positive = positiveVariables([...graphsOf(start), was])
    const isExact = pass.preserves === 'bits'
    const judge = (mutant: Graph) =>
      checkRegions(was, mutant, { isExact, mode: isExact ? 'declared' : 'float64', guess: false, positive, seed: 1 })
    const feeds = calmed(randomFeeds([was], positive, generator(1)), [was])
    const resultsOf = (graph: Graph) => interpret(graph, { ...feeds, mode: 'float64' })
    if (pass.preserves !== 'mode' && was !== is) {
      const want = resultsOf(was)
      expect(judge(is).difference, pass.name).toBeNull()
      for (const [at, mutant] of mutantsOf(is, (node) => !known.has(node)).entries()) {
        // Softmax is the same for x + max(x) as for x - max(x), and what is only asked whether it is finite may be another number.
        if (at % mutantsStep !== 0 || numericDifference(want, resultsOf(mutant), false) === null) continue
        judged.set(pass.name, (judged.get(pass.name) ?? 0) + 1)
        expect(judge(mutant).difference, `${pass.name}, place ${at}`).not.toBeNull()
      }
    }
    before = after
  }
  backend.dispose()
  for (const [name, least] of [
    ['decompose', 15],
    ['simplify', 1],
    ['fusion', 15],
  ] as const)
    expect(judged.get(name), name).toBeGreaterThanOrEqual(least)
}, 240_000)

/** One in so many places is tried. */
const mutantsStep = 11
