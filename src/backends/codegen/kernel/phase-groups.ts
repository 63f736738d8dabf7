/** Groups stored values by phase. Values share a phase if they have one shape, and one is computed from the other or both read the same elements. */
import { liveOrder, nodeAt, refKey } from '../../../ir/graph.ts'
import { type Graph, type Node, type Ref, sameShape, type Type } from '../../../ir/types.ts'
import { type Access, accessOf, isExpensive, isHeavy, isHero, isLeaf, joined, typeAt } from './graph-values.ts'

export interface PhaseGroup {
  readonly shape: readonly number[]
  /** A value may depend on the values before it. */
  readonly values: readonly Ref[]
}

interface OpenGroup {
  readonly type: Type
  readonly values: Ref[]
  readonly reads: Set<string>
  readonly expensive: Set<number>
  readonly heavy: Set<number>
}

/** The groups in execution order: a group reads only what earlier groups store. */
export const groupsOf = (graph: Graph, stored: ReadonlySet<number>): readonly PhaseGroup[] => {
  const groups: OpenGroup[] = []
  const groupOf = new Map<number, number>()
  for (const node of liveOrder(graph))
    for (const [port, type] of node.types.entries()) {
      const value = { id: node.id, port }
      if (!stored.has(refKey(value))) continue
      const needs = needsOf(graph, node, stored)
      let at = groupFor(type, needs, groups, groupOf)
      if (at < 0) at = groups.push({ type, values: [], reads: new Set(), expensive: new Set(), heavy: new Set() }) - 1
      const group = groups[at] as OpenGroup
      group.values.push(value)
      for (const [set, more] of [
        [group.expensive, needs.expensive],
        [group.heavy, needs.heavy],
      ] as const)
        for (const each of more) set.add(each)
      for (const read of needs.reads) group.reads.add(read)
      groupOf.set(refKey(value), at)
    }
  return groups.map(({ type, values }) => ({ shape: type.shape, values }))
}

/** What a value depends on. */
interface Needs {
  /** The stored values that it reads, with the access. */
  readonly stored: ReadonlyMap<number, Access>
  /** Operands and stored values that it reads, each with the access: at the point, or in the loops of a certain hero. */
  readonly reads: ReadonlySet<string>
  /** Nodes whose elements must be computed once: heroes and random numbers. `heavy`: the heavy heroes. */
  readonly expensive: ReadonlySet<number>
  readonly heavy: ReadonlySet<number>
}

const needsOf = (graph: Graph, node: Node, stored: ReadonlySet<number>): Needs => {
  const found = new Map<number, Access>()
  const reads = new Set<string>()
  const expensive = new Set<number>()
  const heavy = new Set<number>()
  const seen = new Set<string>()
  const visit = (reader: Node, access: Access, way: string): void => {
    if (isExpensive(reader)) expensive.add(reader.id)
    if (isHeavy(reader)) heavy.add(reader.id)
    const inside = isHero(reader) ? ` ${reader.op} ${JSON.stringify(reader.attrs)}` : ''
    for (const input of reader.inputs) {
      const operand = nodeAt(graph, input.id)
      const through = joined(access, accessOf(reader, typeAt(operand, input.port)))
      const key = refKey(input)
      const isRead = isLeaf(operand) || stored.has(key)
      const wayTo = through === 'point' ? '' : inside === '' ? way : inside
      if (isRead && (through !== 'inner' || wayTo !== '')) reads.add(`${key} ${through}${wayTo}`)
      if (stored.has(key) && !isLeaf(operand)) found.set(key, worse(found.get(key), through))
      if (isRead || seen.has(`${key} ${through}`)) continue
      seen.add(`${key} ${through}`)
      visit(operand, through, wayTo)
    }
  }
  visit(node, 'point', '')
  return { stored: found, reads, expensive, heavy }
}

const worse = (a: Access | undefined, b: Access): Access => (a === undefined ? b : joined(a, b))

/** The index of the group that a value joins; -1 if it starts a new group. */
const groupFor = (
  type: Type,
  needs: Needs,
  groups: readonly OpenGroup[],
  groupOf: ReadonlyMap<number, number>,
): number => {
  let first = 0
  const beside = new Set<number>()
  for (const [key, access] of needs.stored) {
    const group = groupOf.get(key)
    if (group === undefined) continue
    first = Math.max(first, access === 'point' ? group : group + 1)
    if (access === 'point') beside.add(group)
  }
  for (let at = groups.length - 1; at >= first; at--) {
    const group = groups[at] as OpenGroup
    // Stores of two element types in one phase could not be vectorized together.
    if (!sameShape(group.type.shape, type.shape) || group.type.dtype !== type.dtype) continue
    const sharesExpensive = [...needs.expensive].some((each) => group.expensive.has(each))
    const heavy = new Set([...group.heavy, ...needs.heavy])
    if (heavy.size > 1) continue
    const isAlike = [...needs.reads].some((read) => group.reads.has(read)) && heavy.size === 0
    const haveEqualLoops = (needs.expensive.size === 0) === (group.expensive.size === 0)
    if (beside.has(at) || sharesExpensive || (isAlike && haveEqualLoops)) return at
  }
  return -1
}
