/** Counts the roundings on the way to a result, from which its tolerance is derived (docs/verification.md). */
import { cached, liveOrder, namedUpdates, typeOf } from '../ir/graph.ts'
import { nodeCost } from '../ir/cost.ts'
import { opDef } from '../ir/ops/index.ts'
import { genericTarget } from '../ir/target.ts'
import { elements, type Graph, type Node, type Ref } from '../ir/types.ts'
import { decompose } from '../passes/decompose.ts'

/** Numbers of roundings by the name of a result. */
export interface Roundings {
  readonly outputs: ReadonlyMap<string, number>
  readonly updates: ReadonlyMap<string, number>
}

/** Roundings in float32 along the longest path of the graph from its sources to each result. A sum of n terms counts n. */
export const roundingsOf = (graph: Graph): Roundings => cached(known, graph, count)
const known = new WeakMap<Graph, Roundings>()

/** Good elementary functions have errors of at most 16 units in the last place, which is 32 roundings. */
export const elementaryRoundings = 32

const count = (declared: Graph): Roundings => {
  const graph = primitivesOf(declared)
  const paths = new Map<number, number>()
  const longest = (nodes: readonly { readonly id: number }[]): number =>
    Math.max(0, ...nodes.map(({ id }) => paths.get(id) ?? 0))
  for (const node of liveOrder(graph)) paths.set(node.id, longest(node.inputs) + ownRoundings(graph, node))
  const byName = (results: readonly { readonly name: string; readonly value: Ref }[]): ReadonlyMap<string, number> =>
    new Map(results.map(({ name, value }) => [name, paths.get(value.id) ?? 0]))
  return { outputs: byName(graph.outputs), updates: byName(namedUpdates(graph)) }
}

/** The graph with decomposed composites, and with regions in line. */
export const primitivesOf = (graph: Graph): Graph =>
  cached(decomposed, graph, () => primitives.run(graph, { target: genericTarget, report: () => {} }))
const decomposed = new WeakMap<Graph, Graph>()

const primitives = decompose(({ op }) => opDef(op).decompose !== undefined)

const ownRoundings = (graph: Graph, node: Node): number => {
  switch (opDef(node.op).tolerance) {
    case 'exact':
      return 0
    case 'rounding':
      return 1
    case 'accumulation':
      return termsOf(graph, node)
    default:
      return elementaryRoundings
  }
}

/** The number of terms in the sum of one result element. */
export const termsOf = (graph: Graph, node: Node): number => {
  const results = Math.max(1, elements(node.types[0]?.shape ?? []))
  const { multiplyAdds } = nodeCost(graph, node)
  if (multiplyAdds > 0) return Math.ceil(multiplyAdds / results)
  // Gradients of pools sum over overlapping windows: at most as many terms as a window has elements.
  if ('window' in node.attrs) return node.attrs.window[0] * node.attrs.window[1]
  const [operand] = node.inputs
  return operand === undefined ? 1 : Math.ceil(elements(typeOf(graph, operand).shape) / results)
}
