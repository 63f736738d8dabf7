/** Merges two graphs: replaces the derived variables that a step reads by the values that the step before computes. */
import { liveOrder, nodeAt } from '../ir/graph.ts'
import { setSideTables, sideTables } from '../ir/side-tables.ts'
import { nodeId, type Graph, type Node, type NodeId, type Ref } from '../ir/types.ts'

/**
 * `run` with the values of `prepare` inlined. Nodes of `prepare` keep their ids if possible, because a pass that splits a graph keeps them.
 * Other ids begin at `spare`, which must be greater than the ids of both.
 */
export const inlineDerived = (prepare: Graph, run: Graph, spare: number): Graph => {
  const nodes: (Node | null)[] = run.nodes.map(() => null)
  const sources = new Map<string, NodeId>()
  for (const node of liveOrder(run)) {
    nodes[node.id] = node
    if (node.op === 'variable') sources.set(node.attrs.name, node.id)
  }
  const placed = new Map<NodeId, NodeId>()
  const moved = ({ id, port }: Ref): Ref => ({ id: placed.get(id) ?? id, port })
  for (const node of liveOrder(prepare)) {
    const known = node.op === 'variable' ? sources.get(node.attrs.name) : undefined
    if (known !== undefined) {
      placed.set(node.id, known)
      continue
    }
    const inputs = node.inputs.map(moved)
    const isInPlace = (nodes[node.id] ?? null) === null || nodes[node.id] === node
    const id = isInPlace ? node.id : nodeId(spare + node.id)
    placed.set(node.id, id)
    const isSame = id === node.id && inputs.every((ref, i) => ref.id === node.inputs[i]?.id)
    while (nodes.length <= id) nodes.push(null)
    nodes[id] = isSame ? node : (Object.freeze({ ...node, id, inputs: Object.freeze(inputs) }) as Node) // same op, operands of the same types
  }
  const derived = new Map<NodeId, Ref>()
  for (const { variable, value } of prepare.updates) {
    const made = nodeAt(prepare, variable)
    const read = made.op === 'variable' ? sources.get(made.attrs.name) : undefined
    if (read !== undefined) derived.set(read, moved(value))
  }
  const resolved = (ref: Ref): Ref => derived.get(ref.id) ?? ref
  const withValues = (node: Node | null): Node | null =>
    node?.inputs.some(({ id }) => derived.has(id)) === true
      ? (Object.freeze({ ...node, inputs: Object.freeze(node.inputs.map(resolved)) }) as Node) // the same
      : node
  return setSideTables(
    Object.freeze({
      ...run,
      nodes: Object.freeze(nodes.map(withValues)),
      outputs: run.outputs.map(({ name, value }) => ({ name, value: resolved(value) })),
      updates: run.updates.map(({ variable, value }) => ({ variable, value: resolved(value) })),
    }),
    sideTables(run), // all graphs of a program share their literals
  )
}
