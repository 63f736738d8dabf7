/** The declared casts between float32 and half in a graph. They are used before new casts are added, and have no additional cost. */
import { liveOrder, nodeAt, refKey, typeOf } from '../../ir/graph.ts'
import type { Graph, Node, Ref, Half } from '../../ir/types.ts'
import type { CastKind } from './port-graph.ts'
import { isNarrowing, isWidening } from './statics.ts'

export interface WrittenCasts {
  /** The declared half copy of a float32 value (exact before relaxed); null if there is none. */
  narrowed(ref: Ref): Ref | null
  /** The float32 copy of a half value. For a float32 value: that of its half copy, which is valid once the value is computed in half. */
  widened(ref: Ref): Ref | null
  /** The declared copies of a value. */
  kinds(ref: Ref): readonly CastKind[]
}

export const writtenCasts = (graph: Graph, dtype: Half): WrittenCasts => {
  const narrowings = new Map<number, Node<'cast'>[]>()
  const widenings = new Map<number, Ref>()
  for (const node of liveOrder(graph)) {
    const [operand] = node.inputs
    if (operand === undefined) continue
    if (isWidening(graph, node, dtype) && !widenings.has(refKey(operand)))
      widenings.set(refKey(operand), { id: node.id, port: 0 })
    if (!isNarrowing(graph, node, dtype)) continue
    const key = refKey(seenThrough(graph, operand, dtype))
    const known = narrowings.get(key)
    if (known === undefined) narrowings.set(key, [node])
    else if (node.attrs.relaxed) known.push(node)
    else known.unshift(node)
  }
  const narrowed = (ref: Ref): Ref | null => {
    const first = narrowings.get(refKey(ref))?.[0]
    return first === undefined ? null : { id: first.id, port: 0 }
  }
  const widened = (ref: Ref): Ref | null => {
    if (typeOf(graph, ref).dtype === dtype) return widenings.get(refKey(ref)) ?? null
    for (const { id } of narrowings.get(refKey(ref)) ?? []) {
      const found = widenings.get(refKey({ id, port: 0 }))
      if (found !== undefined) return found
    }
    return null
  }
  return {
    narrowed,
    widened,
    kinds: (ref) => [
      ...(narrowed(ref) === null ? [] : (['narrow'] as const)),
      ...(widened(ref) === null ? [] : (['widen'] as const)),
    ],
  }
}

/** The operand of a widening cast (which is exact); any other value unchanged. */
export const seenThrough = (graph: Graph, ref: Ref, dtype: Half): Ref => {
  const node = nodeAt(graph, ref.id)
  const [operand] = node.inputs
  return operand !== undefined && isWidening(graph, node, dtype) ? operand : ref
}
