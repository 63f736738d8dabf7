/**
 * Computes values that depend on literals alone at compile time, with the reference semantics, rounded to the node's dtype as in a run.
 * Large results are not folded: a folded iota or broadcast would only take memory.
 */
import { Edit } from '../ir/edit.ts'
import { liveOrder, nodeAt } from '../ir/graph.ts'
import { evaluateNode } from '../ir/interpret.ts'
import type { RefTensor } from '../ir/op-def.ts'
import { opDef } from '../ir/ops/index.ts'
import { elements, type Node, type NodeId, type Type } from '../ir/types.ts'
import type { OpEmitter } from '../ir/emitter.ts'
import type { Value } from '../ir/value.ts'
import { definePass } from './pass.ts'

/** The largest number of elements of a result that is folded. */
export const foldedElementsMax = 4096

export const foldConstants = definePass({
  name: 'fold-constants',
  summary: 'compute what depends on literals alone',
  phase: 'simplify',
  preserves: 'bits',
  run: (graph, cx) => {
    /** Nodes that depend on literals alone. */
    const known = new Set<NodeId>()
    const results = new Map<NodeId, readonly RefTensor[]>()
    const resultsOf = (node: Node): readonly RefTensor[] => {
      const found = results.get(node.id)
      if (found !== undefined) return found
      // They are computed, except literals, whose elements are needed only here.
      const operands = node.inputs.map(({ id, port }) => resultsOf(nodeAt(graph, id))[port] as RefTensor) // a node has a result for each port
      const made = evaluateNode(graph, node, operands)
      results.set(node.id, made)
      return made
    }
    const edit = new Edit(graph, 'fold-constants')
    for (const node of liveOrder(graph)) {
      if (!node.inputs.every(({ id }) => known.has(id)) || !isFoldable(node)) continue
      known.add(node.id)
      if (node.op === 'constant') continue
      const b = edit.emitter(node)
      resultsOf(node).forEach((result, port) => edit.replaceUses({ id: node.id, port }, literal(b, result)))
      cx.report('folded')
    }
    return edit.commit()
  },
})

const isFoldable = (node: Node): boolean => {
  const { level } = opDef(node.op)
  if (node.op === 'constant') return size(node.types) <= foldedElementsMax
  return (
    (level === 'primitive' || (level === 'composite' && node.op !== 'composite') || node.op === 'iota') &&
    size(node.types) <= foldedElementsMax
  )
}
const size = (types: readonly Type[]): number => types.reduce((sum, type) => sum + elements(type.shape), 0)

const literal = (b: OpEmitter, { dtype, shape, data }: RefTensor): Value => {
  const [first = 0] = data
  if (data.every((x) => Object.is(x, first))) return b.splat(first, { dtype, shape })
  return b.literal(
    { dtype, shape },
    dtype === 'int32' ? Int32Array.from(data) : dtype === 'bool' ? Uint8Array.from(data) : Float32Array.from(data),
  )
}
