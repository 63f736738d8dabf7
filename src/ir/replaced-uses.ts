/**
 * Which uses of a value a replacement takes over. All of them, but for those by nodes that the new value is computed from: `f(v)` in the
 * place of `v` reads `v` itself. Without that exception wrapping a value would make a cycle.
 *
 * Exactly: let every node depend on its operands as they are and on what replaces them. A use of `old` by node `m` stays where `next`
 * depends on `m`. What is replaced is then never on a path back, so the graph has no cycle that it did not have before.
 */
import { EffuseError } from './diagnostics.ts'
import { liveOrder, refFromKey, refKey } from './graph.ts'
import { stronglyConnected } from './strongly-connected.ts'
import type { Graph, Node, NodeId, Ref } from './types.ts'

/** Replacements by refKey of the replaced value, followed to their ends in nearly constant time. */
export class Replacements {
  readonly #next = new Map<number, Ref>()
  /** Shortcuts over chains; a step further on for each key, not necessarily the end. */
  readonly #shortcuts = new Map<number, Ref>()

  get size(): number {
    return this.#next.size
  }

  /** A second replacement of a value takes the place of the first. */
  set(old: Ref, next: Ref): void {
    if (this.#next.has(refKey(old))) this.#shortcuts.clear()
    this.#next.set(refKey(old), { id: next.id, port: next.port })
  }

  has(ref: Ref): boolean {
    return this.#next.has(refKey(ref))
  }

  /** One step. */
  next(ref: Ref): Ref | undefined {
    return this.#next.get(refKey(ref))
  }

  entries(): IterableIterator<[number, Ref]> {
    return this.#next.entries()
  }

  /** The last value of the chain that starts here. @throws EffuseError EF303 where the chain comes back to its start. */
  end(ref: Ref): Ref {
    const passed: Ref[] = []
    let at = ref
    for (;;) {
      const next = this.#shortcuts.get(refKey(at)) ?? this.#next.get(refKey(at))
      if (next === undefined) break
      passed.push(at)
      if (passed.length > this.#next.size)
        throw new EffuseError({
          code: 'EF303',
          message: `replacements go in a circle: value ${ref.id}.${ref.port} would replace itself`,
          hint: 'each value that is replaced must end at one that is not',
        })
      at = next
    }
    for (const key of passed) this.#shortcuts.set(refKey(key), at)
    return at
  }
}

/** The nodes of an edit that is about to be committed: the base's, or removed, and the added ones, each at its id. */
export interface PlannedNodes {
  readonly base: Graph
  readonly nodes: readonly (Node | null)[]
  readonly added: ReadonlyMap<NodeId, Node>
}

/** What a use of `ref` by `node` becomes. */
export const replacedUses = (planned: PlannedNodes, replacements: Replacements): ((node: Node, ref: Ref) => Ref) => {
  // What passes do nearly always: the new value depends on nothing at or behind the old one, so no use is in doubt.
  if (goesUpstream(planned, replacements)) return (_, ref) => replacements.end(ref)
  for (const [key] of replacements.entries()) replacements.end(refFromKey(key)) // throws on a circle, so that the walk below ends
  const { component, isAlone } = dependence(planned, replacements)
  return (node, ref) => {
    if (isAlone(node.id)) return replacements.end(ref)
    let at = ref
    for (let next = replacements.next(at); next !== undefined; next = replacements.next(at)) {
      if (component(next.id) === component(node.id)) return at
      at = next
    }
    return at
  }
}

/**
 * True where each new value is computed from values before the old one in the base's order. Then what is used only ever moves upstream
 * and there can be no cycle. May be false where there is none either.
 */
const goesUpstream = ({ base, nodes, added }: PlannedNodes, replacements: Replacements): boolean => {
  const place = new Float64Array(nodes.length).fill(Number.POSITIVE_INFINITY) // dead nodes have no place
  const placeOf = (ref: { readonly id: NodeId }): number => place[ref.id] ?? Number.POSITIVE_INFINITY
  const latestOperand = (node: Node): number => node.inputs.reduce((most, ref) => Math.max(most, placeOf(ref)), -1)
  for (const [at, node] of liveOrder(base).entries()) place[node.id] = at
  for (const node of added.values()) place[node.id] = latestOperand(node)
  for (const [key, next] of replacements.entries()) if (placeOf(next) >= placeOf(refFromKey(key))) return false
  return true
}

/** Which nodes depend on each other, through operands as they are and through their replacements. */
const dependence = (
  { nodes }: PlannedNodes,
  replacements: Replacements,
): { readonly component: (at: number) => number; readonly isAlone: (at: number) => boolean } => {
  // Each replaced value is a vertex of its own behind the nodes, with edges to its node and to the next value.
  const vertices = new Map<number, number>()
  for (const [key] of replacements.entries()) vertices.set(key, nodes.length + vertices.size)
  const vertexOf = (ref: Ref): number => vertices.get(refKey(ref)) ?? ref.id
  const edges: number[][] = nodes.map((node) => node?.inputs.map(vertexOf) ?? [])
  for (const [key, next] of replacements.entries()) edges.push([refFromKey(key).id, vertexOf(next)])
  const { component, sizes } = stronglyConnected(edges)
  return {
    component: (at) => component[at] ?? -1,
    isAlone: (at) => sizes[component[at] ?? -1] === 1,
  }
}
