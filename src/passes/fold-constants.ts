/**
 * Computes values that depend on literals alone at compile time, with the reference semantics, rounded to the node's dtype as in a run.
 * Large results are not folded: a folded iota or broadcast would only take memory.
 */
import { Edit } from '../ir/edit.ts'
import { liveOrder } from '../ir/graph.ts'
import { evaluateNode } from '../ir/interpret.ts'
import type { RefTensor } from '../ir/op-def.ts'
import { opDef } from '../ir/ops/index.ts'
import { elements, type Node, type Type } from '../ir/types.ts'
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
    const known = new Map<number, readonly RefTensor[]>()
    const edit = new Edit(graph, 'fold-constants')
    for (const node of liveOrder(graph)) {
      const operands = node.inputs.map((ref) => known.get(ref.id)?.[ref.port])
      if (!isFoldable(node) || operands.some((x) => x === undefined)) continue
      const results = evaluateNode(graph, node, operands as readonly RefTensor[]) // none is undefined
      known.set(node.id, results)
      if (node.op === 'constant') continue
      const b = edit.emitter(node)
      results.forEach((result, port) => edit.replaceUses({ id: node.id, port }, literal(b, result)))
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
