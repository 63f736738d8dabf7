/**
 * Bodies of regions. A body is a graph in normal form: its nodes are in canonical order and numbered from 0, and its inputs and outputs are named
 * by position. It has no paths, no dead nodes and no updates, and its large literals are operands. Equal bodies are therefore equal data, with
 * equal text and equal hash.
 */
import { liveOrder } from './graph.ts'
import { freezeDeep } from './make-node.ts'
import { bodyName, isLargeLiteral } from './ops/region/shared.ts'
import { bodyTables, setSideTables } from './side-tables.ts'
import type { ConstantValue } from './signatures.ts'
import { nodeId, type Graph, type Node, type NodeId, type Ref, type Type } from './types.ts'

/** A literal of a body that its region takes as an operand. */
export interface LiftedLiteral {
  readonly type: Type
  readonly value: ConstantValue
}

export interface MadeBody {
  readonly body: Graph
  /** Operands of the region after its own, in this order. */
  readonly literals: readonly LiftedLiteral[]
}

/** Turns the graph into a body. Its large literals become inputs after its own. */
export const toBody = (graph: Graph): MadeBody => {
  const lifted = liveOrder(graph).filter(isLargeLiteral)
  return {
    body: normalForm(
      graph,
      lifted.map(({ id }) => id),
    ),
    literals: lifted.map(({ types: [type], attrs: { value } }) => ({ type: type as Type, value })), // a constant has one type
  }
}

/** Puts the graph into normal form. The nodes `asInputs` become inputs after its own. Variables and updates stay; the op rejects them. */
export const normalForm = (graph: Graph, asInputs: readonly NodeId[] = []): Graph => {
  const inputs = [...graph.inputs, ...asInputs]
  const sources = new Set(inputs)
  const order = [...inputs, ...liveOrder(graph).flatMap(({ id }) => (sources.has(id) ? [] : [id]))]
  const numbers = new Map(order.map((id, at) => [id, nodeId(at)]))
  const moved = ({ id, port }: Ref): Ref => ({ id: numbers.get(id) as NodeId, port }) // operands of live nodes are live
  const nodes = order.map((id, at): Node => {
    const node = graph.nodes[id] as Node // it is live
    if (at < inputs.length)
      return { id: nodeId(at), op: 'input', inputs: [], attrs: { name: String(at) }, types: node.types, path: '' }
    return { ...node, id: nodeId(at), inputs: node.inputs.map(moved), path: '' } as Node // same op and attributes
  })
  const body = freezeDeep<Graph>({
    name: bodyName,
    nodes,
    inputs: inputs.map((_, at) => nodeId(at)),
    outputs: graph.outputs.map(({ value }, at) => ({ name: String(at), value: moved(value) })),
    updates: graph.updates.map(({ variable, value }) => ({
      variable: numbers.get(variable) as NodeId,
      value: moved(value),
    })),
  })
  return setSideTables(body, bodyTables(graph, order))
}
