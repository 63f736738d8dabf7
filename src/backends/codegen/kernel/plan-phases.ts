/**
 * Which values of a graph are stored, and which of them in one phase. Stored are results, what a gather reads, values that would be computed too often
 * otherwise (recomputation.ts), and heroes that cannot be a part of one phase. All else is computed where it is read.
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

/** The phases in their order; each stores its values, in their order. */
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

/** One way in which a phase asks for elements of a value. */
interface Demand {
  /** The group of the phase; negative for a value that is only now found to be worth a phase. */
  readonly phase: number
  readonly access: Access
  readonly evaluations: number
}

/** By a text that is the same where a phase asks for the same elements at the same places. */
type Demands = Map<string, Demand>

/** A value that is asked for in more ways is stored: each is an expression of its own. */
const demandsMax = 12

/** First heroes that belong to no one phase; where there are none, values that are computed too often. */
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
        // The last one keeps its phase: the loop runs from the end.
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

/** Adds to the demands of the operands what one evaluation of the node's result, as often as it is demanded, asks of them. */
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

/** What an element of each value costs where all that is stored is read. */
const costsOf = (graph: Graph, stored: ReadonlySet<number>): ReadonlyMap<number, number> => {
  const costs = new Map<number, number>()
  const costMax = 1e6 // a value that many others share is counted many times
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

/** A value that is much smaller than what is made of it will be stored where it is expensive: it counts as one that is read. */
const costOfMove = (graph: Graph, node: Node, sum: number): number => {
  const [first] = node.inputs
  if (node.op !== 'broadcast' || first === undefined) return Math.max(sum, 1)
  const growth = elements(typeAt(node, 0).shape) / elements(typeAt(nodeAt(graph, first.id), first.port).shape)
  return growth >= 4 ? 1 : Math.max(sum, 1)
}

/**
 * The last value that everything which reads this one goes through, by elementwise ops of the same shape: stored instead, it spares a reading and a
 * writing. A value of a larger element type is not worth that.
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
