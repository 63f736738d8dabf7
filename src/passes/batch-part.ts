/**
 * A graph for one part of a batch. A batch can be divided if no result depends on several examples: then the graph on one part after the other gives the
 * same numbers as the graph on all examples.
 */
import { liveOrder, nodeAt, refKey, typeOf } from '../ir/graph.ts'
import { makeNode } from '../ir/make-node.ts'
import { opDef } from '../ir/ops/index.ts'
import { setSideTables, sideTables } from '../ir/side-tables.ts'
import { elements, type Graph, type Node, nodeId, type Ref, type Type } from '../ir/types.ts'
import { type Axis, divided, type Division, divisionOf, repetitionOf } from './batch-axis.ts'

export interface BatchPart {
  /** The same inputs, variables and outputs, and nodes with the same ids. */
  readonly graph: Graph
  /** The axes that have the examples, by name. Other inputs and outputs are the same for all parts. */
  readonly inputs: ReadonlyMap<string, number>
  readonly outputs: ReadonlyMap<string, number>
}

/** The graph for one of equal parts of the batch, which is the first axis of inputs. Null if the batch cannot be divided so. */
export const batchPart = (graph: Graph, parts: number): BatchPart | null => {
  if (parts < 2 || graph.updates.length > 0) return null
  const inputs = graph.inputs.map((id) => nodeAt(graph, id).types[0] as Type) // inputs have one result
  const largestFirst = [...inputs].sort((a, b) => elements(b.shape) - elements(a.shape))
  const sizes = new Set(largestFirst.flatMap(({ shape: [size] }) => (size === undefined ? [] : [size])))
  for (const size of sizes) {
    const found = size % parts === 0 ? partOf(graph, size, parts) : null
    if (found !== null) return found
  }
  return null
}

/** @param size The number of examples. */
const partOf = (graph: Graph, size: number, parts: number): BatchPart | null => {
  const nodes: (Node | null)[] = graph.nodes.map(() => null)
  const axes = new Map<number, Axis>()
  const repeated = new Map<string, Ref | null>()
  const inputs = new Map<string, number>()

  const axisOf = (ref: Ref): Axis => axes.get(refKey(ref)) ?? null
  /** The value with the axis that an operand needs; null if it cannot have it. */
  const valueWith = (ref: Ref, axis: Axis): Ref | null => {
    const known = axisOf(ref)
    if (known === axis) return ref
    return known === null && axis !== null ? repetition(ref, axis) : null
  }
  const repetition = (ref: Ref, axis: number): Ref | null => {
    const key = `${refKey(ref)} ${axis}`
    const known = repeated.get(key)
    if (known !== undefined) return known
    const node = nodeAt(graph, ref.id)
    const found = repetitionOf(node, operandTypes(node), axis, parts)
    const made = found === null ? null : place(node, nodes.length, found, axis)
    repeated.set(key, made)
    return made
  }
  const operandTypes = (node: Node): readonly Type[] => node.inputs.map((ref) => typeOf(graph, ref))
  /** Adds the node of a part. @param axis That of the result of a source */
  const place = (node: Node, at: number, { operands, attrs }: Omit<Division, 'results'>, axis = 0): Ref | null => {
    const values = node.inputs.map((ref, i) => valueWith(ref, operands[i] ?? null))
    if (!areValues(values)) return null
    const types = values.map(({ id, port }) => (nodes[id] as Node).types[port] as Type) // placed before
    const declared = node.types.map(({ dtype, shape }) => ({ dtype, shape: divided(shape, axis, parts) }))
    const id = nodeId(at < graph.nodes.length ? at : nodes.length)
    const { op, path } = node
    nodes[id] = makeNode({ id, op, inputs: values, attrs: attrs ?? node.attrs, path }, types, declared)
    return { id, port: 0 }
  }

  for (const node of liveOrder(graph)) {
    if (isOpaque(node)) return null
    const known = node.inputs.map(axisOf)
    if (node.op === 'input' && node.types[0]?.shape[0] === size) {
      inputs.set(node.attrs.name, 0)
      axes.set(refKey({ id: node.id, port: 0 }), 0)
      place(node, node.id, { operands: [] })
    } else if (known.every((axis) => axis === null)) nodes[node.id] = node
    else {
      const division = divisionOf(node, operandTypes(node), known, parts)
      if (division === null || place(node, node.id, division) === null) return null
      for (const [port, axis] of division.results.entries()) axes.set(refKey({ id: node.id, port }), axis)
    }
  }
  const outputs = new Map(
    graph.outputs.flatMap(({ name, value }) => {
      const axis = axisOf(value)
      return axis === null ? [] : [[name, axis] as const]
    }),
  )
  if (outputs.size === 0) return null
  const part = Object.freeze({ ...graph, nodes: Object.freeze(nodes) })
  return { graph: setSideTables(part, sideTables(graph)), inputs, outputs }
}

const areValues = (values: readonly (Ref | null)[]): values is Ref[] => !values.includes(null)

/** Random numbers would be the same in all parts, and bodies have nodes of their own. */
const isOpaque = ({ op }: Node): boolean =>
  opDef(op).fusion === 'random' || ['model', 'region'].includes(opDef(op).level)
