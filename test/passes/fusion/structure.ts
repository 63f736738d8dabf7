/** Invariants of every fused graph, checked by methods that the pass does not use. */
import { liveOrder, nodesOf, refKey, rootKeys, usesOf } from '../../../src/ir/graph.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { sideTables } from '../../../src/ir/side-tables.ts'
import { genericTarget, type TargetInfo } from '../../../src/ir/target.ts'
import type { Graph, Node, NodeId } from '../../../src/ir/types.ts'

export type Region = Node<'fusion'>
export const regionsOf = (graph: Graph): readonly Region[] =>
  liveOrder(graph).filter((n): n is Region => n.op === 'fusion')

/** Ops of a body that compute something. */
export const opsOf = ({ attrs: { body } }: Region): readonly Node[] =>
  nodesOf(body).filter(({ op }) => op !== 'input' && op !== 'constant')

/** The node of the original graph that each node of a body stands for. */
export const originsIn = (region: Region): readonly NodeId[] =>
  opsOf(region).flatMap(({ id }) => sideTables(region.attrs.body).origin(id)?.from ?? [])

const slowOps: ReadonlySet<string> = new Set([
  'div',
  'reciprocal',
  'sqrt',
  'remainder',
  'exp',
  'log',
  'sigmoid',
  'tanh',
  'pow',
  'rsqrt',
])
const isCostly = ({ op }: Node): boolean => {
  const { fusion } = opDef(op)
  return slowOps.has(op) || ['reduction', 'contraction', 'depthwise', 'window', 'gather', 'random'].includes(fusion)
}

/** The faults of the fused graph, as sentences. */
export const structureFaults = (
  before: Graph,
  after: Graph,
  { fusionBudget }: TargetInfo = genericTarget,
): readonly string[] => {
  const faults: string[] = []
  const regions = regionsOf(after)
  const count = new Map<NodeId, number>()
  for (const region of regions) {
    const { body } = region.attrs
    const ops = opsOf(region)
    if (body.nodes.some((n) => n?.op === 'fusion')) faults.push('a region in a region')
    if (ops.length > 1 && ops.length > fusionBudget.ops + ops.filter(isFree).length) faults.push(`${ops.length} ops`)
    if (ops.length > 1 && region.inputs.length + region.types.length > fusionBudget.buffers)
      faults.push('too many buffers')
    for (const id of originsIn(region)) count.set(id, (count.get(id) ?? 0) + 1)
    const [uses, roots] = [usesOf(after), rootKeys(after)]
    region.types.forEach((_, port) => {
      const key = refKey({ id: region.id, port })
      if (!uses.has(key) && !roots.has(key)) faults.push(`result ${port} of a region is not used`)
    })
  }
  const kept = new Set(liveOrder(after).map(({ id }) => id))
  for (const node of liveOrder(before)) {
    const copies = count.get(node.id) ?? 0
    const isKept = kept.has(node.id)
    if (node.op === 'constant' || node.op === 'input' || node.op === 'variable') continue
    if (copies + (isKept ? 1 : 0) === 0) faults.push(`${node.op} is gone`)
    if (copies > 0 && isKept && node.op !== 'reshape') faults.push(`${node.op} is in a region and outside`)
    if (copies > 1 && isCostly(node)) faults.push(`${node.op} is computed ${copies} times`)
  }
  return faults
}

const isFree = ({ op }: Node): boolean => op === 'broadcast' || op === 'reshape' || op === 'iota' || op === 'cast'
