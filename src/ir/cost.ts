/** The work of a graph is the sum of the work of its live nodes. */
import { type CacheByParts, cachedByParts, isRegion, liveOrder, typeOf } from './graph.ts'
import type { Cost } from './op-def.ts'
import { opDef } from './ops/index.ts'
import type { Graph, Node } from './types.ts'

/** Multiply-adds and other operations of one run. */
export const costOf = (graph: Graph): Cost =>
  cachedByParts(costs, graph, (g) => {
    let [multiplyAdds, operations] = [0, 0]
    for (const node of liveOrder(g)) {
      const cost = nodeCost(g, node)
      multiplyAdds += cost.multiplyAdds
      operations += cost.operations
    }
    return { multiplyAdds, operations }
  })
const costs: CacheByParts<Cost> = new WeakMap()

/** Work of one node. The work of a region is that of its body. */
export const nodeCost = (graph: Graph, node: Node): Cost =>
  isRegion(node)
    ? costOf(node.attrs.body)
    : opDef(node.op).cost(
        node.inputs.map((input) => typeOf(graph, input)),
        node.types,
        node.attrs,
      )
