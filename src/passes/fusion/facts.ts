/**
 * The facts about each node that fusion decides on: the role that the node can have in a region, its reads, and its cost. Nodes are numbered by their
 * position in canonical order, so all tables are arrays, and operands have smaller numbers than their users.
 */
import { inlineElementsMax } from '../../ir/constants.ts'
import { liveOrder, rootsOf, typeOf } from '../../ir/graph.ts'
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
  for (let at = 0; at < nodes.length; at++) positions[(nodes[at] as Node).id] = at
  const positionOf = (id: NodeId): number => positions[id] as number // of a live node
  const isRoot = nodes.map(() => false)
  for (const { id } of rootsOf(graph)) isRoot[positionOf(id)] = true
  const roles = rolesOf(graph, nodes, isRoot, positionOf)
  const slow = nodes.map(isSlow)
  const [multiplyAdds, operations, flops, bytes] = [0, 0, 0, 0].map(() => new Float64Array(nodes.length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  for (let at = 0; at < nodes.length; at++) {
    const node = nodes[at] as Node
    const inputs = node.inputs.map((ref) => typeOf(graph, ref))
    const cost = opDef(node.op).cost(inputs, node.types, node.attrs)
    multiplyAdds[at] = cost.multiplyAdds
    operations[at] = cost.operations
    flops[at] = 2 * cost.multiplyAdds + (slow[at] === true ? target.cost.slowOperation : 1) * cost.operations
    let size = 0
    for (const type of node.types) size += sizeBytes(type)
    bytes[at] = size
  }
  const live: Live = { graph, target, nodes, roles, multiplyAdds, operations, positionOf }
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
    isSlow: slow,
    isRoot,
    positionOf,
  }
}

const rolesOf = (
  graph: Graph,
  nodes: readonly Node[],
  isRoot: readonly boolean[],
  positionOf: (id: NodeId) => number,
): readonly Role[] => {
  const roles = nodes.map((node) => ownRole(graph, node))
  /** A root, or an operand of a node that needs it in memory. */
  const isStored = [...isRoot]
  // In reverse order: a free node that must be stored becomes an ordinary node, and it may read a free node itself.
  for (let at = nodes.length - 1; at >= 0; at--) {
    const { op, inputs } = nodes[at] as Node
    if (roles[at] === 'free' && isStored[at] === true)
      roles[at] = op === 'constant' || op === 'reshape' ? 'outside' : op === 'broadcast' ? 'move' : 'map'
    if (roles[at] === 'outside' || roles[at] === 'alone') for (const { id } of inputs) isStored[positionOf(id)] = true
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
  readonly multiplyAdds: Float64Array
  readonly operations: Float64Array
  readonly positionOf: (id: NodeId) => number
}

const readsOf = (live: Live, at: number): readonly Read[] => {
  const { nodes, roles, positionOf } = live
  if (roles[at] === 'free') return none
  const { inputs } = nodes[at] as Node
  const reads: Read[] = []
  for (let operand = 0; operand < inputs.length; operand++) {
    const ref = inputs[operand] as Ref
    const own = ownRead(live, at, operand)
    const from = positionOf(ref.id)
    if (roles[from] !== 'free') reads.push(readOf(from, operand, own))
    else {
      const through = throughFree(live, from)
      if (through !== null) reads.push(readOf(through.from, operand, after(through.step, own)))
    }
  }
  return reads
}
const none: readonly Read[] = []

/** How elements are read, without the node that is read. */
type Step = Omit<Read, 'from' | 'operand'>
const point: Step = { isPoint: true, times: 1, panelFlops: 0, rowBytes: 0 }

const readOf = (from: number, operand: number, { isPoint, times, panelFlops, rowBytes }: Step): Read => ({
  from,
  operand,
  isPoint,
  times,
  panelFlops,
  rowBytes,
})

/** Composes two steps. At most one of them may repeat elements along rows. */
const after = (a: Step, b: Step): Step => ({
  isPoint: a.isPoint && b.isPoint,
  times: a.times * b.times,
  panelFlops: a.panelFlops + b.panelFlops,
  rowBytes: a.isPoint ? b.rowBytes : b.isPoint ? a.rowBytes : Infinity,
})

/** The value that a free node reads in the end, and how; null for a literal. */
const throughFree = (live: Live, free: number): { readonly from: number; readonly step: Step } | null => {
  const { graph, nodes, roles, positionOf } = live
  let at = free
  let step = point
  while (roles[at] === 'free') {
    const node = nodes[at] as Node
    const [operand] = node.inputs
    if (operand === undefined) return null
    step = after(step, spreadOf(graph, node, operand))
    at = positionOf(operand.id)
  }
  return { from: at, step }
}

/** How the node itself reads an operand. */
const ownRead = (live: Live, at: number, operand: number): Step => {
  const { graph, target, nodes, roles } = live
  const node = nodes[at] as Node
  const ref = node.inputs[operand] as Ref
  const shape = node.types[0]?.shape ?? []
  const type = typeOf(graph, ref)
  if (roles[at] === 'map' && sameShape(type.shape, shape)) return point
  if (roles[at] !== 'hero') return spreadOf(graph, node, ref)
  const kind = kindOf(node)
  if (kind === 'reduction') return point
  const from = elements(type.shape)
  const reuse =
    kind === 'contraction' ? Math.min(contractionWidth(node, operand), target.fusionBudget.prologueReuse) : 1
  const work = Math.max(live.multiplyAdds[at] as number, live.operations[at] as number, elements(shape))
  const times = work / from / reuse
  const panelFlops = kind === 'contraction' ? target.cost.panelOperation * times * from : 0
  return { isPoint: false, times, panelFlops, rowBytes: Infinity }
}

/** The length of the axis of the result along which this operand does not change. */
const contractionWidth = (node: Node, operand: number): number => {
  const shape = node.types[0]?.shape ?? []
  if (operand === 0) return shape.at(-1) ?? 1
  return node.op === 'conv2dFilterGradient' ? (shape.at(-2) ?? 1) : 1
}
