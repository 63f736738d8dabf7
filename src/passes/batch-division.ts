/**
 * Divides a batch: from the inputs that have examples, it follows the axis of the examples through the graph, and gives each node the shape and the
 * attributes of a part.
 */
import { liveOrder, nodeAt, refKey, typeOf } from '../ir/graph.ts'
import { makeNode } from '../ir/make-node.ts'
import { setSideTables, sideTables } from '../ir/side-tables.ts'
import { type Graph, type Node, nodeId, type NodeId, type Ref, type Type } from '../ir/types.ts'
import { type Axis, divided, type Division, divisionOf, repetitionOf } from './batch-axis.ts'
import { isOpaque } from './opaque-nodes.ts'

export interface BatchPart {
  /** The same inputs, variables and outputs, and nodes with the same ids. */
  readonly graph: Graph
  /** The axes that have the examples, by name. Other inputs and outputs are the same for all parts. */
  readonly inputs: ReadonlyMap<string, number>
  readonly outputs: ReadonlyMap<string, number>
}

/**
 * A node that cannot be divided: for each operand that has examples, the inputs that they come from. A division needs one of these operands to be the
 * same for all parts. Empty if no other choice of inputs helps.
 */
export interface Conflict {
  readonly conflict: readonly ReadonlySet<NodeId>[]
}

/** @param examples The inputs whose first axis has the examples */
export const dividedGraph = (
  graph: Graph,
  examples: ReadonlySet<NodeId>,
  parts: number,
): { readonly part: BatchPart } | Conflict => {
  const nodes: (Node | null)[] = graph.nodes.map(() => null)
  const axes = new Map<number, Axis>()
  /** The inputs that the examples of a node's results come from. */
  const sources = new Map<NodeId, ReadonlySet<NodeId>>()
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
    if (isOpaque(node)) return { conflict: [] }
    const known = node.inputs.map(axisOf)
    if (node.op === 'input' && examples.has(node.id)) {
      inputs.set(node.attrs.name, 0)
      axes.set(refKey({ id: node.id, port: 0 }), 0)
      sources.set(node.id, new Set([node.id]))
      place(node, node.id, { operands: [] })
    } else if (known.every((axis) => axis === null)) nodes[node.id] = node
    else {
      const division = divisionOf(node, operandTypes(node), known, parts)
      const sides = node.inputs.flatMap((ref, i) => (known[i] === null ? [] : [sources.get(ref.id) ?? examples]))
      if (division === null || place(node, node.id, division) === null) return { conflict: sides }
      sources.set(node.id, union(sides))
      for (const [port, axis] of division.results.entries()) axes.set(refKey({ id: node.id, port }), axis)
    }
  }
  const outputs = new Map(
    graph.outputs.flatMap(({ name, value }) => {
      const axis = axisOf(value)
      return axis === null ? [] : [[name, axis] as const]
    }),
  )
  if (outputs.size === 0) return { conflict: [] }
  const part = Object.freeze({ ...graph, nodes: Object.freeze(nodes) })
  return { part: { graph: setSideTables(part, sideTables(graph)), inputs, outputs } }
}

/** One of the sets itself, if it contains the others, because most nodes have the sources of their operands. */
const union = (sets: readonly ReadonlySet<NodeId>[]): ReadonlySet<NodeId> => {
  const all = new Set(sets.flatMap((set) => [...set]))
  return sets.find((set) => set.size === all.size) ?? all
}

const areValues = (values: readonly (Ref | null)[]): values is Ref[] => !values.includes(null)
