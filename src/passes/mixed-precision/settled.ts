/** Decides before any strategy which ports must stay float32, each with its reason. */
import { globFilter } from '../../ir/glob.ts'
import { findNode, liveOrder, refKey, rootKeys, usesOf } from '../../ir/graph.ts'
import { opDef } from '../../ir/ops/index.ts'
import type { Graph, Node, NodeId, Ref } from '../../ir/types.ts'
import type { NodePorts } from './classes.ts'
import type { AmpSettings } from './options.ts'
import { attrFault, firstOf, operandFault, staticNodes } from './statics.ts'

export interface Rules {
  /** The reason why these ports must stay float32 under every strategy; null if a strategy may decide. */
  readonly reasonFor: (node: Node, ports: NodePorts) => string | null
  readonly warnings: () => readonly string[]
}

/** The only reason that a user's option overrides: an op in `allow` is half in this case too. */
export const intoVariable = 'it is on the way into a variable, with no contraction after it'

export type Classes = ReadonlyMap<NodeId, readonly NodePorts[]>

export const makeRules = (graph: Graph, settings: AmpSettings, classes: Classes): Rules => {
  const { dtype, keep } = settings
  const isKept = globFilter(keep)
  const isTail = tailNodes(graph, settings, classes)
  const faults = new Map<number, string | null>()
  const faultOf = (ref: Ref): string | null => {
    const key = refKey(ref)
    if (!faults.has(key)) faults.set(key, operandFault(graph, ref, dtype))
    return faults.get(key) ?? null
  }
  const warnings: string[] = []
  const literalReason = (node: Node, ports: NodePorts): string | null => {
    const fault =
      firstOf(ports.inputs, (i) => faultOf(node.inputs[i] as Ref)) ?? // indices of operands
      attrFault(node, dtype)
    if (fault === null) return null
    warnings.push(`${nameOf(node)} stays float32, since ${dtype} does not hold its literal: ${fault}`)
    return `${dtype} does not hold its literal: ${fault}`
  }
  return {
    reasonFor: (node, ports) =>
      keep.length > 0 && isKept(layerPath(node.path))
        ? `"keep" names its path ${layerPath(node.path)}`
        : (literalReason(node, ports) ?? (ports.class === 'infer' && isTail(node) ? intoVariable : null)),
    warnings: () => warnings,
  }
}

/** A node in messages. */
export const nameOf = (node: Node): string =>
  node.op === 'input' || node.op === 'variable'
    ? `${node.op} ${node.attrs.name}`
    : node.path === ''
      ? node.op
      : `${node.path} ${node.op}`

/** The layer of a node: `grad(blocks.3/se)` belongs to `blocks.3/se`. */
export const layerPath = (path: string): string => {
  const inner = /^[\w-]+\((.*)\)$/.exec(path)?.[1]
  return inner === undefined ? path : layerPath(inner)
}

/**
 * Nodes on a path into a variable from which no path leads to a contraction. This arithmetic computes the new value of a float32 variable: a
 * gradient times the learning rate, or divided by the loss scale, would underflow in half. Contractions, which sum in float32, and their
 * epilogues are not settled.
 */
const tailNodes = (graph: Graph, { dtype }: AmpSettings, classes: Classes): ((node: Node) => boolean) => {
  const toContraction = new Set<NodeId>()
  const toVariable = new Set<NodeId>(graph.updates.map((update) => update.value.id))
  const uses = usesOf(graph)
  const contractions = new Set<NodeId>()
  for (const node of liveOrder(graph)) {
    const isAllowed = classes.get(node.id)?.some((ports) => ports.class === 'allow') === true
    if (isAllowed || node.types.some((type) => type.dtype === dtype)) contractions.add(node.id)
  }
  for (const node of liveOrder(graph).toReversed()) {
    for (let port = 0; port < node.types.length; port++) {
      for (const { node: user } of uses.get(refKey({ id: node.id, port })) ?? []) {
        if (toContraction.has(user.id) || contractions.has(user.id)) toContraction.add(node.id)
        if (toVariable.has(user.id)) toVariable.add(node.id)
      }
    }
  }
  return (node) => toVariable.has(node.id) && !toContraction.has(node.id) && !isSummed(node) && !isEpilogue(graph, node)
}

/** A contraction of any class: depthwise ones with slow half kernels follow their neighbours. */
const isSummed = (node: Node): boolean => ['contraction', 'depthwise'].includes(opDef(node.op).fusion)

/** A bias, an activation, or both, after a contraction whose result has no other user. */
const isEpilogue = (graph: Graph, node: Node): boolean => {
  const [first] = node.inputs
  const { fusion, level } = opDef(node.op)
  if (first === undefined) return false
  if (isBias(graph, node)) return node.inputs.some((ref) => isOnlyUse(graph, ref) && isContractionAt(graph, ref))
  if (node.inputs.length > 1 || !(fusion === 'elementwise' || (level === 'composite' && fusion === 'composite')))
    return false
  const before = findNode(graph, first.id)
  if (before === null || !isOnlyUse(graph, first)) return false
  return isContractionAt(graph, first) || (isBias(graph, before) && isEpilogue(graph, before))
}

/** The sum with a broadcast vector that is known before the run. */
const isBias = (graph: Graph, node: Node): boolean =>
  node.op === 'add' &&
  node.inputs.some((ref) => findNode(graph, ref.id)?.op === 'broadcast' && staticNodes(graph).has(ref.id))

const isContractionAt = (graph: Graph, ref: Ref): boolean => {
  const node = findNode(graph, ref.id)
  return node !== null && isSummed(node)
}

const isOnlyUse = (graph: Graph, ref: Ref): boolean =>
  usesOf(graph).get(refKey(ref))?.length === 1 && !rootKeys(graph).has(refKey(ref))
