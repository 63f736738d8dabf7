/**
 * Values of one graph that are equal because the same op, with the same attributes, makes them from equal operands. A pass that removes such a value
 * is judged without running what computes it. It does not use the keys of the pass `cse`, which it judges.
 */
import { exactJson } from '../ir/exact-json.ts'
import { cached, liveOrder } from '../ir/graph.ts'
import { showType, type Graph, type NodeId } from '../ir/types.ts'

/** For each live node the first node that gives the same results: itself if there is no other. */
export const congruentNodes = (graph: Graph): ReadonlyMap<NodeId, NodeId> =>
  cached(known, graph, (g) => {
    const first = new Map<string, NodeId>()
    const found = new Map<NodeId, NodeId>()
    for (const { id, op, inputs, attrs, types } of liveOrder(g)) {
      const operands = inputs.map((ref) => `${found.get(ref.id)}.${ref.port}`).join()
      const text = `${op} ${operands} ${types.map(showType).join()} ${exactJson(attrs)}`
      const same = first.get(text)
      if (same === undefined) first.set(text, id)
      found.set(id, same ?? id)
    }
    return found
  })
const known = new WeakMap<Graph, ReadonlyMap<NodeId, NodeId>>()
