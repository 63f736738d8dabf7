/**
 * Decides which uses of a value a replacement changes: all uses except those by nodes that the new value is computed from. If `f(v)` replaces `v`,
 * then `f` still reads `v`; without this exception the graph would get a cycle.
 *
 * The exact rule: let every node depend on its operands and on the values that replace them. A use of `old` by node `m` stays if `next` depends on
 * `m`. No changed use is then on a path from `next` back to itself, so the replacement adds no cycle to the graph.
 */
import { EffuseError } from './diagnostics.ts'
import { liveOrder, refFromKey, refKey } from './graph.ts'
import { stronglyConnected } from './strongly-connected.ts'
import type { Graph, Node, NodeId, Ref } from './types.ts'

/** Replacements by refKey of the replaced value. Following a chain to its end takes nearly constant time. */
export class Replacements {
  readonly #next = new Map<number, Ref>()
  /** Shortcuts in chains: for each key a later value of its chain, not necessarily the last. */
  readonly #shortcuts = new Map<number, Ref>()

  get size(): number {
    return this.#next.size
  }

  /** Overrides an earlier replacement of the same value. */
  set(old: Ref, next: Ref): void {
    if (this.#next.has(refKey(old))) this.#shortcuts.clear()
    this.#next.set(refKey(old), { id: next.id, port: next.port })
  }

  has(ref: Ref): boolean {
    return this.#next.has(refKey(ref))
  }

  /** The direct replacement. */
  next(ref: Ref): Ref | undefined {
    return this.#next.get(refKey(ref))
  }

  entries(): IterableIterator<[number, Ref]> {
    return this.#next.entries()
  }

  /** The last value of the chain that starts at `ref`. @throws EffuseError EF303 if the chain is a circle */
  end(ref: Ref): Ref {
    if (!this.#next.has(refKey(ref))) return ref
    const passed: Ref[] = []
    let at = ref
    for (;;) {
      const next = this.#shortcuts.get(refKey(at)) ?? this.#next.get(refKey(at))
      if (next === undefined) break
      passed.push(at)
      if (passed.length > this.#next.size)
        throw new EffuseError({
          code: 'EF303',
          message: `replacements form a circle: value ${ref.id}.${ref.port} would replace itself`,
          hint: 'each chain of replacements must end at a value that is not replaced',
        })
      at = next
    }
    for (const key of passed) this.#shortcuts.set(refKey(key), at)
    return at
  }
}

/** The nodes of an edit that is about to be committed. */
export interface PlannedNodes {
  readonly base: Graph
  readonly nodes: readonly (Node | null)[]
  readonly added: ReadonlyMap<NodeId, Node>
}

/** Returns a function that gives the value which replaces `ref` in `node`. */
export const replacedUses = (planned: PlannedNodes, replacements: Replacements): ((node: Node, ref: Ref) => Ref) => {
  // The usual case: no new value depends on the old one or on a later node, so every use is replaced.
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
 * True if each new value is computed only from values before the old one in the base's order. Uses then only move towards earlier values, so no
 * cycle can arise. The condition is sufficient, not necessary.
 */
const goesUpstream = ({ base, nodes, added }: PlannedNodes, replacements: Replacements): boolean => {
  const place = new Float64Array(nodes.length).fill(Number.POSITIVE_INFINITY) // dead nodes have no place
  const placeOf = (ref: { readonly id: NodeId }): number => place[ref.id] ?? Number.POSITIVE_INFINITY
  const latestOperand = (node: Node): number => node.inputs.reduce((most, ref) => Math.max(most, placeOf(ref)), -1)
  liveOrder(base).forEach((node, at) => {
    place[node.id] = at
  })
  for (const node of added.values()) place[node.id] = latestOperand(node)
  for (const [key, next] of replacements.entries()) if (placeOf(next) >= placeOf(refFromKey(key))) return false
  return true
}

/** Finds which nodes depend on each other, through operands and through their replacements. */
const dependence = (
  { nodes }: PlannedNodes,
  replacements: Replacements,
): { readonly component: (at: number) => number; readonly isAlone: (at: number) => boolean } => {
  // Each replaced value is an additional vertex after those of the nodes, with edges to its node and to the next value.
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
