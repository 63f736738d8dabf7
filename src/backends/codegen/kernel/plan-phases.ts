/**
 * Decides which values of a graph are stored, and which of them share a phase. Stored are: results, the operands of gathers, values that would
 * otherwise be recomputed too often (recomputation.ts), and heroes that cannot be part of a single phase. All other values are computed where they
 * are read.
 */
import { liveOrder, nodeAt, refFromKey, refKey, rootsOf, usesOf } from '../../../ir/graph.ts'
import { elements, type Graph, type Node, type Ref, type Type } from '../../../ir/types.ts'
import { groupsOf, type PhaseGroup } from './phase-groups.ts'
import {
  type Access,
  accessOf,
  isExpensive,
  isElementwise,
  isHeavy,
  isHero,
  isLeaf,
  joined,
  typeAt,
} from './graph-values.ts'
import { costOf, evaluationsPerResult, isWorthStoring } from './recomputation.ts'

/** The phases in execution order, each with the values that it stores, in order. */
export const planPhases = (graph: Graph): readonly PhaseGroup[] => {
  const stored = new Set(mustBeStored(graph))
  for (;;) {
    const groups = groupsOf(graph, stored)
    const more = moreToStore(graph, stored, groups)
    if (more.length === 0) return groups
    for (const key of more) stored.add(key)
  }
}

const mustBeStored = (graph: Graph): readonly number[] => {
  const gathered = liveOrder(graph).flatMap(({ op, inputs: [first] }) =>
    op === 'gather' && first !== undefined && !isLeaf(nodeAt(graph, first.id)) ? [refKey(first)] : [],
  )
  return [...rootsOf(graph).map(refKey), ...gathered]
}

/** One way in which a phase reads elements of a value. */
interface Demand {
  /** The group of the phase. Negative: a value that was found to need its own phase in this round. */
  readonly phase: number
  readonly access: Access
  readonly evaluations: number
}

/** By a key that is equal for reads of the same elements at the same coordinates by one phase. */
type Demands = Map<string, Demand>

/** A value that is read in more ways than this is stored, since each way is a separate expression. */
const demandsMax = 12

/** Heroes that do not fit into a single phase. If there are none: values that are recomputed too often. */
const moreToStore = (graph: Graph, stored: ReadonlySet<number>, groups: readonly PhaseGroup[]): readonly number[] => {
  const phaseOf = new Map(groups.flatMap(({ values }, at) => values.map((value) => [refKey(value), at] as const)))
  const costs = costsOf(graph, stored)
  const demands = new Map<number, Demands>()
  const misplaced = new Set<number>()
  const surplus: number[] = []
  const recomputed: number[] = []
  const heavyOf = new Map<number, number>()
  for (const node of [...liveOrder(graph)].reverse()) {
    if (isLeaf(node)) continue
    for (const [port, type] of node.types.entries()) {
      const key = refKey({ id: node.id, port })
      let own = demands.get(key) ?? new Map<string, Demand>()
      const size = elements(type.shape)
      const once = (phase: number): Demands =>
        new Map([[`${phase}`, { phase, access: 'point', evaluations: size } as const]])
      if (stored.has(key)) own = once(phaseOf.get(key) ?? -1)
      else if (isExpensive(node)) {
        if (!isInOnePhase(own, size)) misplaced.add(key)
      } else if (isTooOften(own, costs.get(key) ?? 1, size)) {
        recomputed.push(key)
        own = once(-1 - key)
      }
      if (isHeavy(node) && !misplaced.has(key)) {
        const [phase] = [...own.values()].map((demand) => demand.phase)
        // Nodes are visited in reverse order, so the last hero keeps its phase.
        if (phase !== undefined && (heavyOf.get(phase) ?? key) !== key) surplus.push(key)
        else if (phase !== undefined) heavyOf.set(phase, key)
      }
      addDemands(graph, node, own, demands)
    }
  }
  const heroes = [...surplus, ...[...misplaced].map((key) => endOfChain(graph, refFromKey(key), stored))]
  return (heroes.length > 0 ? heroes : recomputed).filter((key) => !stored.has(key))
}

const isInOnePhase = (demands: Demands, size: number): boolean => {
  const all = [...demands.values()]
  const evaluations = all.reduce((sum, demand) => sum + demand.evaluations, 0)
  return (
    new Set(all.map(({ phase }) => phase)).size <= 1 &&
    all.every(({ access }) => access !== 'inner') &&
    evaluations <= size
  )
}

const isTooOften = (demands: Demands, cost: number, size: number): boolean => {
  const evaluations = [...demands.values()].reduce((sum, demand) => sum + demand.evaluations, 0)
  return cost > 1 && (demands.size > demandsMax || isWorthStoring(evaluations, cost, size))
}

/** Adds the demands of a node to its operands: what its evaluations read of them. */
const addDemands = (graph: Graph, node: Node, own: Demands, demands: Map<number, Demands>): void => {
  const types = node.inputs.map((input) => typeAt(nodeAt(graph, input.id), input.port))
  for (const [i, input] of node.inputs.entries()) {
    if (isLeaf(nodeAt(graph, input.id))) continue
    const key = refKey(input)
    const of = demands.get(key) ?? new Map<string, Demand>()
    demands.set(key, of)
    const access = accessOf(node, types[i] as Type)
    const times = isHero(node) ? evaluationsPerResult(node, i, types) : 1
    for (const [text, demand] of own)
      of.set(access === 'point' ? text : `${text} ${node.id}.${i}`, {
        ...demand,
        access: joined(demand.access, access),
        evaluations: demand.evaluations * times,
      })
  }
}

/** The cost of one element of each value, if all stored values are read from memory. */
const costsOf = (graph: Graph, stored: ReadonlySet<number>): ReadonlyMap<number, number> => {
  const costs = new Map<number, number>()
  const costMax = 1e6 // limits values that many others share, since each path counts them again
  for (const node of liveOrder(graph)) {
    const parts = node.inputs.map((input) => (stored.has(refKey(input)) ? 1 : (costs.get(refKey(input)) ?? 1)))
    const sum = parts.reduce((a, b) => a + b, 0)
    const cost = isElementwise(node)
      ? costOf(node.op) + sum
      : isLeaf(node) || isHero(node)
        ? 1
        : costOfMove(graph, node, sum)
    node.types.forEach((_, port) => costs.set(refKey({ id: node.id, port }), Math.min(cost, costMax)))
  }
  return costs
}

/** A broadcast of a much smaller value counts as a read, because the smaller value will be stored if it is expensive. */
const costOfMove = (graph: Graph, node: Node, sum: number): number => {
  const [first] = node.inputs
  if (node.op !== 'broadcast' || first === undefined) return Math.max(sum, 1)
  const growth = elements(typeAt(node, 0).shape) / elements(typeAt(nodeAt(graph, first.id), first.port).shape)
  return growth >= 4 ? 1 : Math.max(sum, 1)
}

/**
 * The last value of an elementwise chain of one shape that all uses of the start go through. Storing the end of the chain instead of its start saves
 * one read and one write. The end must not have a larger element type.
 */
const endOfChain = (graph: Graph, start: Ref, stored: ReadonlySet<number>): number => {
  const uses = usesOf(graph)
  const chain = new Set([refKey(start)])
  let end = refKey(start)
  const size = bytes(typeAt(nodeAt(graph, start.id), start.port))
  const isClosed = (last: number): boolean =>
    [...chain].every(
      (key) => key === last || (uses.get(key) ?? []).every(({ node }) => chain.has(refKey({ id: node.id, port: 0 }))),
    )
  if (stored.has(end)) return end
  for (const node of liveOrder(graph)) {
    const reads = node.inputs.filter((input) => chain.has(refKey(input)))
    if (reads.length === 0) continue
    const key = refKey({ id: node.id, port: 0 })
    const isSame = reads.every((input) => accessOf(node, typeAt(nodeAt(graph, input.id), input.port)) === 'point')
    if (!isSame || stored.has(key)) break
    chain.add(key)
    if (isClosed(key) && bytes(typeAt(node, 0)) <= size) end = key
  }
  return end
}

const bytes = ({ dtype, shape }: Type): number =>
  elements(shape) * (dtype === 'bool' ? 1 : dtype.endsWith('16') ? 2 : 4)
