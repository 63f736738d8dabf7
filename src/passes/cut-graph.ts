/** Cuts values out of a graph, together with the nodes that compute them. Values at the cut become operands. */
import { cached, findNode, liveOrder, refFromKey, refKey, typeOf } from '../ir/graph.ts'
import { makeNode } from '../ir/make-node.ts'
import { setSideTables, sideTables } from '../ir/side-tables.ts'
import { nodeId, type Graph, type Node, type NodeId, type Ref } from '../ir/types.ts'

/** A part of a graph, not built yet. */
export interface Cone {
  readonly graph: Graph
  readonly results: Graph['outputs']
  /** Nodes of the part, operands first. */
  readonly nodes: readonly Node[]
  /** Values that are operands, with their names. */
  readonly operands: ReadonlyMap<number, string>
}

/** The part of the graph that computes `root`, its result `y`. Values that `nameOf` names become operands, except those in `opened`. */
export const coneOf = (
  graph: Graph,
  root: Ref,
  nameOf: ReadonlyMap<number, string>,
  opened: ReadonlySet<string>,
): Cone => {
  const nodes: Node[] = []
  const operands = new Map<number, string>()
  const done = new Set<NodeId>()
  const moving = movingNodes(graph)
  /** Work on variables and literals alone is small, and a pass may rely on its result. */
  const isOperand = (ref: Ref): boolean => {
    const name = nameOf.get(refKey(ref))
    if (name === undefined || opened.has(name) || !moving.has(ref.id)) return false
    operands.set(refKey(ref), name)
    return true
  }
  const stack: { readonly node: Node; next: number }[] = []
  const open = (ref: Ref): void => {
    const node = findNode(graph, ref.id)
    if (isOperand(ref) || node === null || done.has(node.id)) return
    done.add(node.id)
    stack.push({ node, next: 0 })
  }
  open(root)
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const input = top.node.inputs[top.next++]
    if (input !== undefined) open(input)
    else {
      nodes.push(top.node)
      stack.pop()
    }
  }
  return { graph, results: [{ name: 'y', value: root }], nodes, operands }
}

/** Nodes that depend on more than variables and literals. */
const movingNodes = (graph: Graph): ReadonlySet<NodeId> =>
  cached(moving, graph, (g) => {
    const found = new Set<NodeId>()
    for (const { id, op, inputs } of liveOrder(g)) {
      const isSource =
        op === 'input' || (inputs.length === 0 && op !== 'variable' && op !== 'constant' && op !== 'iota')
      if (isSource || inputs.some((ref) => found.has(ref.id))) found.add(id)
    }
    return found
  })
const moving = new WeakMap<Graph, ReadonlySet<NodeId>>()

/** The part as a separate graph. `sourceName` names its inputs and variables; `kind` is their previous kind. */
export const cutGraph = (
  { graph, results, nodes, operands }: Cone,
  sourceName: (kind: 'operand' | 'input' | 'variable', name: string) => string,
): Graph => {
  const made: (Node | null)[] = []
  const inputs: NodeId[] = []
  const placed = new Map<number, NodeId>()
  const place = (key: number, node: (id: NodeId) => Node): void => {
    const id = nodeId(made.length)
    made.push(node(id))
    placed.set(key, id)
  }
  for (const [key, name] of operands) {
    const attrs = { name: sourceName('operand', name) }
    place(key, (id) => makeNode({ id, op: 'input', inputs: [], attrs, path: '' }, [], [typeOf(graph, refFromKey(key))]))
  }
  const moved = (ref: Ref): Ref => {
    const operand = operands.has(refKey(ref)) ? placed.get(refKey(ref)) : undefined
    return operand === undefined ? { id: idOf(ref.id), port: ref.port } : { id: operand, port: 0 }
  }
  const ids = new Map<NodeId, NodeId>()
  const idOf = (id: NodeId): NodeId => ids.get(id) ?? id
  for (const node of nodes) {
    const id = nodeId(made.length)
    ids.set(node.id, id)
    const attrs =
      node.op === 'input' || node.op === 'variable'
        ? { ...node.attrs, name: sourceName(node.op, node.attrs.name) }
        : node.attrs
    made.push(Object.freeze({ ...node, id, attrs, path: '', inputs: node.inputs.map(moved) }) as Node) // same op, operands of the same types
  }
  for (const node of made) if (node?.op === 'input') inputs.push(node.id)
  const outputs = results.map(({ name, value }) => ({ name, value: moved(value) }))
  const part = { name: 'part', nodes: made, inputs, outputs, updates: [] }
  return setSideTables(Object.freeze(part), sideTables(graph))
}
