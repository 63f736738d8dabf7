/**
 * The order in which a graph's nodes are lowered. Updates with the same guard are computed together in one conditional. So everything that any of them
 * needs must come before the conditional.
 */
import { liveOrder, refKey } from '../../ir/graph.ts'
import type { Graph, Node, Ref } from '../../ir/types.ts'
import { guardedOps } from './lower/training.ts'

/** One node, or all updates with the same guard. Each of these comes after its operands. */
export type Emission =
  | { readonly kind: 'node'; readonly node: Node }
  | { readonly kind: 'guarded'; readonly guard: Ref; readonly nodes: readonly Node[] }

/**
 * A node's level is the length of the longest chain of conditionals before it. The nodes are ordered by level; within a level the plain nodes come
 * first, then one conditional per guard.
 */
export const emissionOrder = (graph: Graph): readonly Emission[] => {
  const levels = new Map<number, number>()
  const guards = new Map<number, number>()
  const stages: Stage[] = []
  for (const node of liveOrder(graph)) {
    const guard = guardOf(node)
    const guardKey = guard === null ? null : refKey(guard)
    let level = 0
    for (const ref of node.inputs) {
      const before = guards.get(ref.id)
      const isInside = before !== undefined && before === guardKey
      level = Math.max(level, (levels.get(ref.id) ?? 0) + (before === undefined || isInside ? 0 : 1))
    }
    levels.set(node.id, level)
    const at: Stage = stages[level] ?? { plain: [], guarded: new Map() }
    stages[level] = at
    if (guardKey === null) {
      at.plain.push(node)
      continue
    }
    guards.set(node.id, guardKey)
    const group = at.guarded.get(guardKey) ?? []
    group.push(node)
    at.guarded.set(guardKey, group)
  }
  return stages.flatMap(({ plain, guarded }): readonly Emission[] => [
    ...plain.map((node): Emission => ({ kind: 'node', node })),
    ...[...guarded.values()].map((nodes): Emission => {
      const [first] = nodes as [Node] // a group begins with a node
      return { kind: 'guarded', guard: guardOf(first) as Ref, nodes } // every node of a group has a guard
    }),
  ])
}

interface Stage {
  readonly plain: Node[]
  readonly guarded: Map<number, Node[]>
}

const guardOf = (node: Node): Ref | null => {
  const guarded = guardedOps[node.op]
  return guarded === undefined ? null : (node.inputs[guarded.guard] ?? null)
}
