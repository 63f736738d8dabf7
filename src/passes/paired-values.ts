/**
 * Pairs values of the graph before a pass with the values after it that should be equal. Nodes that the pass did not change have the same id,
 * and give equal values if their operands are equal. So the pairs to check are their operands, the outputs and the updates.
 */
import { cached, findNode, liveOrder, namedUpdates, refKey, sameRef, typeOf } from '../ir/graph.ts'
import { findSideTables } from '../ir/side-tables.ts'
import { isFloat, sameShape, sameType, type Graph, type Node, type NodeId, type Ref, type Type } from '../ir/types.ts'
import { congruentNodes } from './congruent-values.ts'

/** Two values that should be equal. */
export interface Pair {
  readonly before: Ref
  readonly after: Ref
  /** A guess: the pass made one on behalf of the other. They may differ even if the pass keeps its promise. */
  readonly isGuess: boolean
}

export interface Pairing {
  /** The pairs to check, operands first. */
  readonly pairs: readonly Pair[]
  /** Names of values that are assumed equal while another pair is compared, by the value's key; the same name on both sides. */
  readonly before: Map<number, string>
  readonly after: Map<number, string>
}

/** `guess`: pair new nodes with the nodes they were made from. */
export const pairValues = (before: Graph, after: Graph, guess: boolean): Pairing => {
  const kept = keptNodes(before, after)
  const pairing = {
    pairs: new Map<string, Pair>(),
    before: new Map<number, string>(),
    after: new Map<number, string>(),
  }
  const name = (a: Ref, b: Ref, label: string): void => {
    if (pairing.before.has(refKey(a)) || pairing.after.has(refKey(b))) return
    pairing.before.set(refKey(a), label)
    pairing.after.set(refKey(b), label)
  }
  for (const node of kept)
    node.types.forEach((_, port) => {
      const ref = { id: node.id, port }
      name(ref, ref, labelOf(ref, ref))
    })
  const show = (a: Ref, b: Ref, isGuess = false): void => {
    const isKept = sameRef(a, b) && pairing.before.get(refKey(a)) === labelOf(a, a)
    if (isKept || pairing.pairs.has(labelOf(a, b))) return
    pairing.pairs.set(labelOf(a, b), { before: a, after: b, isGuess })
    name(a, b, labelOf(a, b))
  }
  for (const node of kept)
    findNode(before, node.id)?.inputs.forEach((a, i) => {
      const b = node.inputs[i]
      if (b !== undefined) show(a, b)
    })
  for (const [a, b] of pairedRoots(before, after)) show(a, b)
  nameCongruent(before, pairing.before)
  if (guess) for (const [a, b] of remade(before, after)) show(a, b, true)
  const at = new Map(liveOrder(before).map(({ id }, i) => [id, i] as const))
  const pairs = [...pairing.pairs.values()].sort((p, q) => (at.get(p.before.id) ?? 0) - (at.get(q.before.id) ?? 0))
  return { ...pairing, pairs }
}

/**
 * Gives values that equal a named value of the same graph its name. Only of the graph before a pass, because a pass may merge equal values; those that it
 * makes again, such as parts of a gradient, have no counterpart before.
 */
const nameCongruent = (graph: Graph, names: Map<number, string>): void => {
  const congruent = congruentNodes(graph)
  const byFirst = new Map<number, string>()
  const keysOf = function* (): Generator<readonly [key: number, first: number]> {
    for (const { id, types } of liveOrder(graph))
      for (const port of types.keys()) yield [refKey({ id, port }), refKey({ id: congruent.get(id) ?? id, port })]
  }
  for (const [key, first] of keysOf()) {
    const name = names.get(key)
    if (name !== undefined && !byFirst.has(first)) byFirst.set(first, name)
  }
  for (const [key, first] of keysOf()) {
    const name = byFirst.get(first)
    if (name !== undefined && !names.has(key)) names.set(key, name)
  }
}

/** The name of a pair. */
export const labelOf = (before: Ref, after: Ref): string => `${before.id}.${before.port}=${after.id}.${after.port}`

/** Live nodes of `after` that are in `before` with the same attributes. Their operands may be made elsewhere. */
const keptNodes = (before: Graph, after: Graph): readonly Node[] => {
  const live = liveIds(before)
  return liveOrder(after).filter((node) => {
    const was = findNode(before, node.id)
    if (was === node) return live.has(node.id)
    const sameOperand = (ref: Ref, i: number): boolean => {
      const other = was?.inputs[i]
      return other !== undefined && sameType(typeOf(before, other), typeOf(after, ref))
    }
    return (
      was !== null &&
      live.has(node.id) &&
      was.op === node.op &&
      was.attrs === node.attrs &&
      was.inputs.length === node.inputs.length &&
      node.inputs.every(sameOperand) &&
      sameTypes(was.types, node.types)
    )
  })
}
const sameTypes = (a: readonly Type[], b: readonly Type[]): boolean =>
  a.length === b.length && a.every((type, i) => sameType(type, b[i] as Type)) // equal lengths
const liveIds = (graph: Graph): ReadonlySet<NodeId> =>
  cached(allLive, graph, (g) => new Set(liveOrder(g).map((n) => n.id)))
const allLive = new WeakMap<Graph, ReadonlySet<NodeId>>()

/** Nodes of `after` that the pass made from a node with the same op and shape; float types may differ. */
const remade = (before: Graph, after: Graph): readonly (readonly [Ref, Ref])[] => {
  const live = liveIds(before)
  const origin = findSideTables(after)?.origin
  const taken = new Set<NodeId>()
  return liveOrder(after).flatMap((node): readonly (readonly [Ref, Ref])[] => {
    const [from] = findNode(before, node.id) === null ? (origin?.(node.id)?.from ?? []) : []
    const was = from === undefined || !live.has(from) || taken.has(from) ? null : findNode(before, from)
    const fits = was?.op === node.op && was.types.every((type, i) => sameNumbers(type, node.types[i]))
    if (!fits) return []
    taken.add(was.id)
    return node.types.map(
      (_, port) =>
        [
          { id: was.id, port },
          { id: node.id, port },
        ] as const,
    )
  })
}
const sameNumbers = (a: Type, b: Type | undefined): boolean =>
  b !== undefined && sameShape(a.shape, b.shape) && (a.dtype === b.dtype || (isFloat(a.dtype) && isFloat(b.dtype)))

/** Outputs by name, updates by variable. */
const pairedRoots = (before: Graph, after: Graph): readonly (readonly [Ref, Ref])[] => {
  const named = (graph: Graph): ReadonlyMap<string, Ref> => {
    return new Map([
      ...graph.outputs.map(({ name, value }) => [`output ${name}`, value] as const),
      ...namedUpdates(graph).map(({ name, value }) => [`update ${name}`, value] as const),
    ])
  }
  const now = named(after)
  return [...named(before)].flatMap(([name, a]) => {
    const b = now.get(name)
    return b === undefined ? [] : [[a, b] as const]
  })
}
