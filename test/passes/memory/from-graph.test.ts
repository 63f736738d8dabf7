/** Graphs as memory problems: whole networks are planned and checked, and the plans are close to the lower bound. */
import type { MemoryConstraints } from '../../../src/ir/target.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { crossEntropy, efficientNet, rmsprop, trainingStep } from '../../../src/index.ts'
import { Builder } from '../../../src/ir/build.ts'
import { liveOrder } from '../../../src/ir/graph.ts'
import type { Graph } from '../../../src/ir/types.ts'
import { checkPlan } from '../../../src/passes/memory/check-plan.ts'
import { memoryProblemOf, scheduleGraph } from '../../../src/passes/memory/from-graph.ts'
import { planMemory } from '../../../src/passes/memory/plan-memory.ts'
import { inferencePipeline, trainingPipeline } from '../../../src/passes/standard-pipelines.ts'
import { graphOf, programOf } from '../../../src/passes/program.ts'
import { runPipeline } from '../../../src/passes/runner.ts'
import { anyGraph } from '../../../src/testing/graphs.ts'

const webAssembly: MemoryConstraints = { alignment: 64, arenaBytesMax: 2 ** 32, exclusiveWrites: false }
const webGpu: MemoryConstraints = { alignment: 256, arenaBytesMax: 2 ** 31, exclusiveWrites: true }

test('any graph is planned, and each of its nodes runs after its operands', () => {
  fc.assert(
    fc.property(anyGraph({ stepsMax: 25 }), fc.constantFrom(webAssembly, webGpu), ({ graph }, target) => {
      const { problem } = memoryProblemOf(graph, (node) => node.op === 'reduceSum')
      expect(checkPlan(planMemory(problem, target), target)).toEqual([])
      const done = new Set(liveOrder(graph).flatMap((n) => (isFree(n.op) ? [n.id] : [])))
      for (const id of scheduleGraph(graph).order) {
        expect(graph.nodes[id]?.inputs.every((ref) => done.has(ref.id) || isView(graph, ref.id))).toBe(true)
        done.add(id)
      }
    }),
    { numRuns: 200 },
  )
})
const isFree = (op: string): boolean => ['input', 'variable', 'constant'].includes(op)
const isView = (graph: Graph, id: number): boolean => graph.nodes[id]?.op === 'reshape'

test('an optimizer writes its variables in place', () => {
  const b = new Builder('update')
  const g = b.input('g', { dtype: 'float32', shape: [8] })
  const names = ['w', 'square', 'momentum'] as const
  const [w, square, momentum] = names.map((name) => b.variable(name, { shape: [8] }))
  if (w === undefined || square === undefined || momentum === undefined) throw new Error('three variables')
  const next = b.emit(
    'rmsprop',
    [w, g, square, momentum, b.constant(0.1), b.constant([1], { dtype: 'bool', shape: [] })],
    { rho: 0.9, momentum: 0.9, epsilon: 1e-3 },
  )
  ;[w, square, momentum].forEach((variable, i) => b.update(variable, next[i] as typeof w))
  const plan = planMemory(memoryProblemOf(b.finish({})).problem, webAssembly)
  expect(plan.tail).toEqual([])
  expect(plan.arenaBytes).toBe(64) // only the gradient
})

describe.each([
  ['inference of B0', () => inference(1, 224)],
  ['a training step of B0 at batch 8 and 96 pixels', () => training(8, 96)],
  ['a training step of B0 at batch 8 and 224 pixels', () => training(8, 224)],
])('%s', (_what, graphOf) => {
  test('in one arena is within 1.1 of the lower bound', () => {
    const { problem } = memoryProblemOf(graphOf())
    const plan = planMemory(problem, webAssembly)
    expect(checkPlan(plan, webAssembly)).toEqual([])
    expect(plan.arenas).toHaveLength(1)
    expect(plan.arenaBytes).toBeLessThanOrEqual(1.1 * plan.lowerBoundBytes)
  })

  test('in arenas that no step both reads and writes is within 1.2 of it', () => {
    const { problem } = memoryProblemOf(graphOf())
    const plan = planMemory(problem, webGpu)
    expect(checkPlan(plan, webGpu)).toEqual([])
    expect(plan.arenaBytes).toBeLessThanOrEqual(1.2 * plan.lowerBoundBytes)
  })
})

const engine = { legalize: [], fuse: [] }
const switches = { simplify: true, fusion: true, amp: null }
const network = (size: number) => efficientNet('b0', { resolution: size })
function inference(batch: number, size: number): Graph {
  const declared = programOf(network(size).at({ batch }))
  return graphOf(runPipeline(inferencePipeline(engine, switches), declared).program)
}
function training(batch: number, size: number): Graph {
  const options = { loss: crossEntropy(), optimizer: rmsprop({ learningRate: 1e-3 }), emaDecay: 0.9999 }
  const declared = programOf(trainingStep(network(size), options).at({ batch }))
  return graphOf(runPipeline(trainingPipeline(engine, switches, options), declared).program)
}
