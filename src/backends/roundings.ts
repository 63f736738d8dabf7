/** Counts the roundings on the way to a result, from which its tolerance is derived (docs/verification.md). */
import { cached, liveOrder, rootsOf, typeOf } from '../ir/graph.ts'
import { nodeCost } from '../ir/cost.ts'
import { opDef } from '../ir/ops/index.ts'
import { genericTarget } from '../ir/target.ts'
import { elements, isFloat, type Graph, type Node } from '../ir/types.ts'
import { decompose } from '../passes/decompose.ts'

export interface Roundings {
  /** Roundings in float32 along the longest path from the sources to a result. A sum of n terms counts n. */
  readonly float32: number
  /** Results of half types along that path. */
  readonly half: number
}

/** The roundings of a graph with decomposed composites. */
export const roundingsOf = (graph: Graph): Roundings => cached(known, graph, count)
const known = new WeakMap<Graph, Roundings>()

/** Good elementary functions have errors of at most 16 units in the last place, which is 32 roundings. */
export const elementaryRoundings = 32

const count = (declared: Graph): Roundings => {
  const graph = primitives.run(declared, { target: genericTarget, report: () => {} })
  const paths = new Map<number, Roundings>()
  const longest = (nodes: readonly { readonly id: number }[]): Roundings => ({
    float32: Math.max(0, ...nodes.map(({ id }) => paths.get(id)?.float32 ?? 0)),
    half: Math.max(0, ...nodes.map(({ id }) => paths.get(id)?.half ?? 0)),
  })
  for (const node of liveOrder(graph)) {
    const before = longest(node.inputs)
    const own = ownRoundings(graph, node)
    const isHalf = own > 0 && node.types.some(({ dtype }) => isFloat(dtype) && dtype !== 'float32')
    paths.set(node.id, { float32: before.float32 + own, half: before.half + (isHalf ? 1 : 0) })
  }
  return longest(rootsOf(graph))
}

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
const termsOf = (graph: Graph, node: Node): number => {
  const results = Math.max(1, elements(node.types[0]?.shape ?? []))
  const { multiplyAdds } = nodeCost(graph, node)
  if (multiplyAdds > 0) return Math.ceil(multiplyAdds / results)
  // Gradients of pools sum over overlapping windows: at most as many terms as a window has elements.
  if ('window' in node.attrs) return node.attrs.window[0] * node.attrs.window[1]
  const [operand] = node.inputs
  return operand === undefined ? 1 : Math.ceil(elements(typeOf(graph, operand).shape) / results)
}
