/** Nodes that compute the same values: op, attributes, operands and types are equal. Inputs and variables have unique names. */
import { attrsJson } from '../ir/exact-json.ts'
import { cached, isRegion, liveOrder } from '../ir/graph.ts'
import { hashBody } from '../ir/print.ts'
import { type Graph, type Node, type NodeId, showType } from '../ir/types.ts'

export type EqualNodes = ReadonlyMap<NodeId, NodeId>

/**
 * For each live node that equals an earlier one, the first such node. One walk in canonical order suffices, because operands come before their users.
 * Equal random streams give equal numbers.
 */
export const equalNodes = (graph: Graph): EqualNodes =>
  cached(known, graph, (g) => {
    const first = new Map<string, NodeId>()
    const equal = new Map<NodeId, NodeId>()
    for (const node of liveOrder(g)) {
      if (node.op === 'input' || node.op === 'variable') continue
      const key = keyOf(node, equal)
      const same = first.get(key)
      if (same === undefined) first.set(key, node.id)
      else equal.set(node.id, same)
    }
    return equal
  })
const known = new WeakMap<Graph, EqualNodes>()

const keyOf = (node: Node, equal: EqualNodes): string => {
  const operands = node.inputs.map((ref) => `${equal.get(ref.id) ?? ref.id}.${ref.port}`).join(',')
  const own = isRegion(node) ? { ...node.attrs, body: hashBody(node.attrs.body) } : node.attrs
  return `${node.op}(${operands})${attrsJson(own)}:${node.types.map(showType).join(';')}`
}
