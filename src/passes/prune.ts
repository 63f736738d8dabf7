/** Removes the dead nodes that splitting a step leaves in both parts. */
import { liveOrder } from '../ir/graph.ts'
import { setSideTables, sideTables } from '../ir/side-tables.ts'
import type { Graph } from '../ir/types.ts'

/** The graph with a new name, without its dead nodes. Ids are kept. */
export const pruned = (graph: Graph, name: string): Graph => {
  const live = new Set(liveOrder(graph).map((n) => n.id))
  const nodes = Object.freeze(graph.nodes.map((n) => (n !== null && live.has(n.id) ? n : null)))
  return setSideTables(Object.freeze({ ...graph, name, nodes }), sideTables(graph))
}
