/** Invariants of every result of mixed precision, read from the graph itself, not from the pass's data. */
import { findNode, liveOrder, nodeAt, refKey, rootKeys, typeOf, usesOf } from '../../../src/ir/graph.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { printNode } from '../../../src/ir/print.ts'
import type { Graph, Node, Ref } from '../../../src/ir/types.ts'

type Half = 'float16' | 'bfloat16'

/** Every law that a cast violates which was not in `before`, in words; empty if all hold. */
export const brokenLaws = (
  before: Graph,
  graph: Graph,
  dtype: Half,
  said: { readonly allow: readonly string[]; readonly deny: readonly string[] } = { allow: [], deny: [] },
): readonly string[] => {
  const broken: string[] = []
  const seen = new Set<string>()
  for (const node of liveOrder(graph)) {
    const [operand] = node.inputs
    if (node.op !== 'cast' || operand === undefined) continue
    const from = typeOf(graph, operand).dtype
    if (!isBetween(from, node.attrs.to, dtype)) continue
    const inner = nodeAt(graph, operand.id)
    const isPlaced = findNode(before, node.id) === null
    if (isPlaced && inner.op === 'cast' && isBetween(dtypeBefore(graph, inner), inner.attrs.to, dtype))
      broken.push(`a cast of a cast: ${printNode(graph, node)}`)
    const key = `${refKey(operand)} ${node.attrs.to}`
    if (isPlaced && seen.has(key)) broken.push(`a second cast of one value to one type: ${printNode(graph, node)}`)
    seen.add(key)
    if (isPlaced && inner.op === 'constant') broken.push(`a cast of a literal: ${printNode(graph, node)}`)
    if (isPlaced && isEpilogueCast(graph, node, operand) && !isForced(graph, node, operand, said))
      broken.push(`between a contraction and its epilogue: ${printNode(graph, node)}`)
  }
  return broken
}

const dtypeBefore = (graph: Graph, cast: Node): string => {
  const [operand] = cast.inputs
  return operand === undefined ? '' : typeOf(graph, operand).dtype
}
const isBetween = (from: string, to: string, dtype: Half): boolean =>
  (from === dtype && to === 'float32') || (from === 'float32' && to === dtype)

/** A bias or an activation that is the only user of a contraction's result, or an activation after such a bias, with the cast before it. */
const isEpilogueCast = (graph: Graph, cast: Node, operand: Ref): boolean => {
  const only = onlyUser(graph, { id: cast.id, port: 0 })
  if (only === null || onlyUser(graph, operand)?.id !== cast.id) return false
  const before = nodeAt(graph, operand.id)
  const activations = ['relu', 'relu6', 'silu', 'sigmoid', 'tanh']
  if (isContraction(before)) return activations.includes(only.op) || isBiasAdd(graph, only)
  const [left, right] = before.inputs
  return (
    isBiasAdd(graph, before) &&
    activations.includes(only.op) &&
    [left, right].some(
      (ref) => ref !== undefined && isContraction(nodeAt(graph, ref.id)) && onlyUser(graph, ref) !== null,
    )
  )
}

/** If the user allows or denies an op of such a chain by name, a cast inside the chain is permitted. */
const isForced = (
  graph: Graph,
  cast: Node,
  operand: Ref,
  { allow, deny }: { readonly allow: readonly string[]; readonly deny: readonly string[] },
): boolean => {
  const before = nodeAt(graph, operand.id)
  const heads = before.inputs.map((ref) => nodeAt(graph, ref.id)).filter(isContraction)
  const chain = [...heads, before, onlyUser(graph, { id: cast.id, port: 0 })]
  return chain.some((n) => n !== null && (allow.includes(n.op) || deny.includes(n.op)))
}

const isContraction = (node: Node): boolean => ['contraction', 'depthwise'].includes(opDef(node.op).fusion)

/** The only user of a value, if the value is not an output. */
const onlyUser = (graph: Graph, ref: Ref): Node | null => {
  const users = usesOf(graph).get(refKey(ref)) ?? []
  return users.length === 1 && !rootKeys(graph).has(refKey(ref)) ? (users[0]?.node ?? null) : null
}

const isBiasAdd = (graph: Graph, node: Node): boolean =>
  node.op === 'add' &&
  node.inputs.some((ref) => {
    const repeated = nodeAt(graph, ref.id)
    const [source] = repeated.inputs
    return repeated.op === 'broadcast' && source !== undefined && isOfVariable(nodeAt(graph, source.id), graph)
  })

/** A variable, or its half copy. */
const isOfVariable = (node: Node, graph: Graph): boolean => {
  const [operand] = node.inputs
  return (
    node.op === 'variable' ||
    (node.op === 'cast' && operand !== undefined && nodeAt(graph, operand.id).op === 'variable')
  )
}
