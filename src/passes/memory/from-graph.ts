/** Makes a memory problem from a graph: each node is a step, each of its results a value. For backends that run node by node, and for passes. */
import { liveOrder, refKey, typeOf } from '../../ir/graph.ts'
import { opDef } from '../../ir/ops/index.ts'
import { sameShape, sizeBytes, type Graph, type Node, type NodeId, type Ref, type Type } from '../../ir/types.ts'
import type { Commit, MemoryProblem, Overwrite, PlannedStep, PlannedValue } from './problem.ts'
import { schedule } from './schedule.ts'

export interface GraphProblem {
  readonly problem: MemoryProblem
  /** The node of each step. */
  readonly nodes: readonly Node[]
  /** The value of each result of a node, by refKey. */
  readonly values: ReadonlyMap<number, number>
}

/** A graph and the order in which its nodes run. The printed order of a graph has no meaning for time. */
export interface ScheduledGraph {
  readonly graph: Graph
  /** Nodes that compute something: not inputs, variables, constants or views. */
  readonly order: readonly NodeId[]
  readonly peakBytes: number
}

/**
 * The order of a graph's nodes with the lowest peak that the rules find.
 *
 * @example
 * const g = graph('two', { x: float32(8) }, ({ x }) => ({ y: exp(neg(x)) })).at({ batch: 1 })
 * scheduleGraph(g).peakBytes // is 32: each result uses the memory of its operand
 */
export const scheduleGraph = (graph: Graph): ScheduledGraph => {
  const { problem, nodes } = memoryProblemOf(graph)
  const { order, peakBytes } = schedule(problem)
  return { graph, order: order.flatMap((at) => nodes[at]?.id ?? []), peakBytes }
}

/**
 * @param canFail Which nodes may end a run with an error (default: none).
 */
export const memoryProblemOf = (graph: Graph, canFail: (node: Node) => boolean = () => false): GraphProblem => {
  const values: PlannedValue[] = []
  const steps: PlannedStep[] = []
  const nodes: Node[] = []
  const known = new Map<number, number>()
  const variables = new Map<NodeId, number>()
  const valueAt = (ref: Ref): number => known.get(refKey(ref)) ?? -1 // operands come first
  for (const node of liveOrder(graph)) {
    const made = node.types.map((type, port) => {
      const value = values.push(valueFor(node, type, valueAt)) - 1
      known.set(refKey({ id: node.id, port }), value)
      return value
    })
    if (node.op === 'variable') variables.set(node.id, made[0] as number)
    if (values[made[0] ?? -1]?.home !== 'made') continue
    nodes.push(node)
    steps.push({
      reads: [...new Set(node.inputs.map(valueAt))],
      writes: made,
      updates: [],
      overwrites: overwritesOf(graph, node, made, valueAt),
      canFail: canFail(node),
    })
  }
  const commits = graph.updates.map(
    (update): Commit => ({
      variable: variables.get(update.variable) ?? -1,
      value: valueAt(update.value),
    }),
  )
  const results = [...new Set(graph.outputs.map((output) => valueAt(output.value)))]
  return { problem: { values, steps, results, commits }, nodes, values: known }
}

/** In row-major order a reshape moves no data. */
const valueFor = (node: Node, type: Type, valueAt: (ref: Ref) => number): PlannedValue => {
  const bytes = sizeBytes(type)
  const [operand] = node.inputs
  if (node.op === 'input') return { home: 'given', bytes }
  if (node.op === 'variable') return { home: 'variable', bytes }
  if (node.op === 'constant') return { home: 'outside', bytes }
  if (node.op === 'reshape' && operand !== undefined) return { home: 'view', of: valueAt(operand), bytes }
  return { home: 'made', bytes }
}

/** Elementwise ops may overwrite an operand. So may optimizers and averages, which read an element of all operands before they write it. */
const overwritesOf = (
  graph: Graph,
  node: Node,
  made: readonly number[],
  valueAt: (ref: Ref) => number,
): readonly Overwrite[] => {
  const isElementwise = opDef(node.op).fusion === 'elementwise' || updaters.has(node.op)
  if (!isElementwise) return []
  return made.flatMap((write, port) =>
    node.inputs.flatMap((ref) => {
      const [from, to] = [typeOf(graph, ref), node.types[port]]
      const fits = to !== undefined && sameShape(from.shape, to.shape) && sizeBytes(from) === sizeBytes(to)
      return fits ? [{ write, read: valueAt(ref) }] : []
    }),
  )
}

const updaters: ReadonlySet<Node['op']> = new Set(['rmsprop', 'sgd', 'adam', 'ema'])
