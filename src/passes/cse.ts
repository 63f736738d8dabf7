/**
 * Common subexpressions: the first of equal nodes (op, attributes, operands, types) replaces the others. One walk in canonical order suffices,
 * because operands come before their users. Inputs and variables have unique names. Equal random streams give equal numbers.
 */
import { Edit } from '../ir/edit.ts'
import { attrsJson } from '../ir/exact-json.ts'
import { isRegion, liveOrder } from '../ir/graph.ts'
import { hashBody } from '../ir/print.ts'
import type { Node, NodeId, Ref } from '../ir/types.ts'
import { definePass } from './pass.ts'

export const cse = definePass({
  name: 'cse',
  summary: 'share equal nodes',
  phase: 'simplify',
  preserves: 'bits',
  run: (graph, cx) => {
    const first = new Map<string, Node>()
    const merged = new Map<NodeId, NodeId>()
    const edit = new Edit(graph, 'cse')
    for (const node of liveOrder(graph)) {
      if (node.op === 'input' || node.op === 'variable') continue
      const key = keyOf(node, merged)
      const known = first.get(key)
      if (known === undefined) {
        first.set(key, node)
        continue
      }
      merged.set(node.id, known.id)
      node.types.forEach((_, port) => edit.replaceUses({ id: node.id, port }, { id: known.id, port }))
      edit.remove(node.id)
      cx.report('shared')
    }
    return edit.commit()
  },
})

const keyOf = (node: Node, merged: ReadonlyMap<NodeId, NodeId>): string => {
  const operands = node.inputs.map((ref: Ref) => `${merged.get(ref.id) ?? ref.id}.${ref.port}`).join(',')
  const own = isRegion(node) ? { ...node.attrs, body: hashBody(node.attrs.body) } : node.attrs
  return `${node.op}(${operands})${attrsJson(own)}:${node.types.map((t) => `${t.dtype}[${t.shape.join(',')}]`).join(';')}`
}
