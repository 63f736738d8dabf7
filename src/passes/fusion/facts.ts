/**
 * The facts about each node that fusion decides on: the role that the node can have in a region, its reads, and its cost. Nodes are numbered by their
 * position in canonical order, so all tables are arrays, and operands have smaller numbers than their users.
 */
import { inlineElementsMax } from '../../ir/constants.ts'
import { liveOrder, refKey, rootKeys, typeOf, usesOf } from '../../ir/graph.ts'
import { opDef } from '../../ir/ops/index.ts'
import type { FusionKind, TargetInfo } from '../../ir/target.ts'
import { elements, type Graph, type Node, type NodeId, type Ref, sameShape, sizeBytes } from '../../ir/types.ts'
import { isFreeOp, isSlow, spreadOf } from './op-facts.ts'

/**
 * The role of a node. outside: not in a region (sources, views, ops without a kernel). free: recomputed by each region that reads it, at no cost.
 * map: elementwise. move: moves elements. hero: combines many elements into one. alone: a region of its own.
 */
export type Role = 'outside' | 'free' | 'map' | 'move' | 'hero' | 'alone'

/** A read of another node's result, possibly through free nodes. */
export interface Read {
  /** The position of the node that is read. */
  readonly from: number
  /** The index of the operand. */
  readonly operand: number
  /** Each element of the reader's result (of its domain, if it is a hero) reads the element at the same coordinates. */
  readonly isPoint: boolean
  /** How often each element is read. */
  readonly times: number
  /**
   * Additional work if the element is computed where it is read, in units of one addition: a contraction's left operand is first stored to a panel.
   */
  readonly panelFlops: number
  /** If each element is repeated only along a contiguous row: the bytes of that row. Otherwise Infinity. */
  readonly rowBytes: number
}

export interface Facts {
  readonly graph: Graph
  readonly target: TargetInfo
  /** Nodes by position. */
  readonly nodes: readonly Node[]
  readonly roles: readonly Role[]
  /** The kinds of region that the node can be the center of. */
  readonly kinds: readonly FusionKind[]
  readonly reads: readonly (readonly Read[])[]
  readonly multiplyAdds: Float64Array
  /** The work of computing the result once, in units of one addition. */
  readonly flops: Float64Array
  readonly bytes: Float64Array
  /** Ops such as division and exp, which are never computed twice. */
  readonly isSlow: readonly boolean[]
  /** Outputs and updates of the graph. */
  readonly isRoot: readonly boolean[]
  /** -1: the node is dead. */
  positionOf(id: NodeId): number
}

export const factsOf = (graph: Graph, target: TargetInfo): Facts => {
  const nodes = liveOrder(graph)
  const positions = new Int32Array(graph.nodes.length).fill(-1)
  for (const [at, node] of nodes.entries()) positions[node.id] = at
  const positionOf = (id: NodeId): number => positions[id] as number // of a live node
  const roles = rolesOf(graph, nodes, positionOf)
  const live: Live = { graph, target, nodes, roles, positionOf }
  const [multiplyAdds, flops, bytes] = [0, 0, 0].map(() => new Float64Array(nodes.length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  const roots = rootKeys(graph)
  for (const [at, node] of nodes.entries()) {
    const inputs = node.inputs.map((ref) => typeOf(graph, ref))
    const cost = opDef(node.op).cost(inputs, node.types, node.attrs)
    const weight = isSlow(node) ? target.cost.slowOperation : 1
    multiplyAdds[at] = cost.multiplyAdds
    flops[at] = 2 * cost.multiplyAdds + weight * cost.operations
    bytes[at] = node.types.reduce((sum, type) => sum + sizeBytes(type), 0)
  }
  return {
    graph,
    target,
    nodes,
    roles,
    kinds: nodes.map(kindOf),
    reads: nodes.map((_, at) => readsOf(live, at)),
    multiplyAdds,
    flops,
    bytes,
    isSlow: nodes.map(isSlow),
    isRoot: nodes.map(({ id, types }) => types.some((_, port) => roots.has(refKey({ id, port })))),
    positionOf,
  }
}

const rolesOf = (graph: Graph, nodes: readonly Node[], positionOf: (id: NodeId) => number): readonly Role[] => {
  const roles = nodes.map((node) => ownRole(graph, node))
  const [uses, roots] = [usesOf(graph), rootKeys(graph)]
  // In reverse order: a free node that must be stored becomes an ordinary node, and it may read a free node itself.
  for (let at = nodes.length - 1; at >= 0; at--) {
    const { id, op } = nodes[at] as Node
    if (roles[at] !== 'free') continue
    const key = refKey({ id, port: 0 })
    const isNeeded =
      roots.has(key) ||
      (uses.get(key) ?? []).some(({ node }) => ['outside', 'alone'].includes(roles[positionOf(node.id)] as Role))
    if (!isNeeded) continue
    roles[at] = op === 'constant' || op === 'reshape' ? 'outside' : op === 'broadcast' ? 'move' : 'map'
  }
  return roles
}

const ownRole = (graph: Graph, node: Node): Role => {
  const { level, fusion } = opDef(node.op)
  if (node.op === 'input' || node.op === 'variable') return 'outside'
  if (node.op === 'constant') return isInline(node) ? 'free' : 'outside'
  if (isFreeOp(graph, node)) return 'free'
  if (node.op === 'reshape') return 'outside' // a view
  if (node.op === 'topK') return 'alone'
  if (level !== 'primitive' && level !== 'source') return 'outside'
  switch (fusion) {
    case 'elementwise':
    case 'random':
      return 'map'
    case 'broadcast':
    case 'movement':
    case 'gather':
      return 'move'
    case 'reduction':
    case 'contraction':
    case 'depthwise':
    case 'window':
      return 'hero'
    default:
      return 'outside'
  }
}

/** Literals that a body may contain. */
const isInline = (node: Node<'constant'>): boolean => {
  const { value } = node.attrs
  return typeof value === 'number' || (!('sha256' in value) && value.length <= inlineElementsMax)
}

const kindOf = (node: Node): FusionKind => {
  const { fusion } = opDef(node.op)
  if (node.op === 'topK') return 'sort'
  if (fusion === 'contraction' || fusion === 'depthwise' || fusion === 'window' || fusion === 'reduction') return fusion
  return fusion === 'movement' || fusion === 'gather' || fusion === 'broadcast' ? 'movement' : 'loop'
}

/** The inputs of the tables below. */
interface Live {
  readonly graph: Graph
  readonly target: TargetInfo
  readonly nodes: readonly Node[]
  readonly roles: readonly Role[]
  readonly positionOf: (id: NodeId) => number
}

const readsOf = (live: Live, at: number): readonly Read[] => {
  const node = live.nodes[at] as Node
  const role = live.roles[at] as Role
  if (role === 'free') return []
  return node.inputs.flatMap((ref, operand) => {
    const through = throughFree(live, ref)
    if (through === null) return []
    const own = ownRead(live, node, role, operand)
    return [{ from: through.from, operand, ...after(through, own) }]
  })
}

/** How elements are read, without the node that is read. */
type Step = Omit<Read, 'from' | 'operand'>
const point: Step = { isPoint: true, times: 1, panelFlops: 0, rowBytes: 0 }

/** Composes two steps. At most one of them may repeat elements along rows. */
const after = (a: Step, b: Step): Step => ({
  isPoint: a.isPoint && b.isPoint,
  times: a.times * b.times,
  panelFlops: a.panelFlops + b.panelFlops,
  rowBytes: a.isPoint ? b.rowBytes : b.isPoint ? a.rowBytes : Infinity,
})

/** The value that free nodes read in the end; null for a literal. */
const throughFree = (live: Live, ref: Ref): (Step & { readonly from: number }) | null => {
  const { graph, nodes, roles, positionOf } = live
  let [at, step] = [positionOf(ref.id), point]
  while (roles[at] === 'free') {
    const node = nodes[at] as Node
    const [operand] = node.inputs
    if (operand === undefined) return null
    step = after(step, spreadOf(graph, node, operand))
    at = positionOf(operand.id)
  }
  return { from: at, ...step }
}

/** How the node itself reads an operand. */
const ownRead = ({ graph, target }: Live, node: Node, role: Role, operand: number): Step => {
  const type = typeOf(graph, node.inputs[operand] as Ref)
  const [result] = node.types
  const [from, to] = [elements(type.shape), elements(result?.shape ?? [])]
  if (role === 'map' && sameShape(type.shape, result?.shape ?? [])) return point
  if (role !== 'hero') return spreadOf(graph, node, node.inputs[operand] as Ref)
  const kind = kindOf(node)
  if (kind === 'reduction') return point
  const inputs = node.inputs.map((input) => typeOf(graph, input))
  const { multiplyAdds, operations } = opDef(node.op).cost(inputs, node.types, node.attrs)
  const reuse =
    kind === 'contraction' ? Math.min(contractionWidth(node, operand), target.fusionBudget.prologueReuse) : 1
  const times = Math.max(multiplyAdds, operations, to) / from / reuse
  const panelFlops = kind === 'contraction' ? target.cost.panelOperation * times * from : 0
  return { isPoint: false, times, panelFlops, rowBytes: Infinity }
}

/** The length of the axis of the result along which this operand does not change. */
const contractionWidth = (node: Node, operand: number): number => {
  const shape = node.types[0]?.shape ?? []
  if (operand === 0) return shape.at(-1) ?? 1
  return node.op === 'conv2dFilterGradient' ? (shape.at(-2) ?? 1) : 1
}
