/**
 * Functions that read graphs: access, traversal, uses. WeakMaps cache analyses per graph; a graph cannot change, so no entry becomes invalid.
 */
import { invariant } from './diagnostics.ts'
import type { RegionOps } from './signatures.ts'
import type { Graph, Node, NodeId, Ref, Type } from './types.ts'
import { nodeId } from './types.ts'

/** The node, or null if there is none. */
export const findNode = (graph: Graph, id: NodeId): Node | null => graph.nodes[id] ?? null

/** The node. @throws EffuseError EF901 if there is none */
export const nodeAt = (graph: Graph, id: NodeId): Node => graph.nodes[id] ?? noNode(graph, id)

// Apart from nodeAt(), which runs for each operand of each node: a function with a message as a closure takes longer.
const noNode = (graph: Graph, id: NodeId): never => {
  invariant(false, () => `node ${id} of graph ${graph.name} is gone`)
}

/** The type of a value. @throws EffuseError EF901 if the value does not exist */
export const typeOf = (graph: Graph, ref: Ref): Type => {
  return nodeAt(graph, ref.id).types[ref.port] ?? noOutput(ref)
}

const noOutput = ({ id, port }: Ref): never => {
  invariant(false, () => `node ${id} has no output ${port}`)
}

export const sameRef = (a: Ref, b: Ref): boolean => a.id === b.id && a.port === b.port
/** A number for each (id, port), as a key of maps. Ports are below 4096. */
export const refKey = (ref: Ref): number => ref.id * 4096 + ref.port
export const refFromKey = (key: number): Ref => ({ id: nodeId(Math.floor(key / 4096)), port: key % 4096 })

/** All nodes that exist, by id. */
export const nodesOf = (graph: Graph): readonly Node[] =>
  cached(allNodes, graph, (g) => g.nodes.filter((n) => n !== null))
const allNodes = new WeakMap<Graph, readonly Node[]>()

/** Where a walk over the live nodes starts: outputs, then updates. */
export const rootsOf = (graph: Graph): readonly Ref[] => [
  ...graph.outputs.map((o) => o.value),
  ...graph.updates.map((u) => u.value),
]

/**
 * The live nodes in canonical order: inputs in signature order, then depth-first post-order from the outputs and then the updates, operands in
 * order. Updated variables are live. The walk is iterative, because graphs are deep.
 * @throws EffuseError EF901 on a cycle; verify() reports cycles as diagnostics
 */
export const liveOrder = (graph: Graph): readonly Node[] => cached(liveOrders, graph, walkLive)
const liveOrders = new WeakMap<Graph, readonly Node[]>()

const walkLive = (graph: Graph): readonly Node[] => {
  const order: Node[] = []
  const state = new Uint8Array(graph.nodes.length) // 0 new, 1 open, 2 done
  /** The open nodes, and for each the index of the next operand. */
  const stack: Node[] = []
  const next: number[] = []
  const open = (id: NodeId): void => {
    if (state[id] === 2) return
    invariant(state[id] !== 1, () => `graph ${graph.name} has a cycle through node ${id}`)
    state[id] = 1
    stack.push(nodeAt(graph, id))
    next.push(0)
  }
  const visit = (id: NodeId): void => {
    open(id)
    while (stack.length > 0) {
      const top = stack.length - 1
      const node = stack[top] as Node
      const input = node.inputs[(next[top] as number)++]
      if (input !== undefined) {
        if (state[input.id] !== 2) open(input.id)
        continue
      }
      state[node.id] = 2
      order.push(node)
      stack.pop()
      next.pop()
    }
  }
  for (const id of graph.inputs) visit(id)
  for (const output of graph.outputs) visit(output.value.id)
  for (const update of graph.updates) {
    visit(update.variable)
    visit(update.value.id)
  }
  return order
}

/** One use of a value: operand `index` of `node`. */
export interface Use {
  readonly node: Node
  readonly index: number
}

/** Uses of each value by live nodes, by refKey. Outputs and update values are no uses here; rootKeys() has them. */
export const usesOf = (graph: Graph): ReadonlyMap<number, readonly Use[]> =>
  cached(allUses, graph, (g) => {
    const uses = new Map<number, Use[]>()
    for (const node of liveOrder(g)) {
      node.inputs.forEach((input, index) => {
        const key = refKey(input)
        const list = uses.get(key)
        if (list === undefined) uses.set(key, [{ node, index }])
        else list.push({ node, index })
      })
    }
    return uses
  })
const allUses = new WeakMap<Graph, ReadonlyMap<number, readonly Use[]>>()

/** Keys (refKey) of the values that are outputs or update values. */
export const rootKeys = (graph: Graph): ReadonlySet<number> =>
  cached(allRootKeys, graph, (g) => new Set(rootsOf(g).map(refKey)))
const allRootKeys = new WeakMap<Graph, ReadonlySet<number>>()

/** Types by input name, in signature order. */
export const inputTypes = (graph: Graph): ReadonlyMap<string, Type> =>
  new Map(
    graph.inputs.flatMap((id) => {
      const node = nodeAt(graph, id)
      const [type] = node.types
      return node.op === 'input' && type !== undefined ? [[node.attrs.name, type] as const] : []
    }),
  )

/** All live nodes of one op. */
export const nodesOfOp = <K extends Node['op']>(graph: Graph, op: K): readonly Node<K>[] =>
  liveOrder(graph).filter((n) => n.op === op) as readonly Node[] as readonly Node<K>[] // TypeScript does not narrow a generic discriminant

/** Is the node's meaning given by a graph in its attribute `body`? */
export const isRegion = (node: Node): node is Node<keyof RegionOps> => node.op === 'fusion' || node.op === 'composite'

/** The variables that the live graph reads or updates, in canonical order. */
export const variablesOf = (graph: Graph): readonly Node<'variable'>[] => nodesOfOp(graph, 'variable')

/** The updates of a graph: the new values by the names of their variables. @throws EffuseError EF901 if one names no variable */
export const namedUpdates = (graph: Graph): readonly { readonly name: string; readonly value: Ref }[] =>
  graph.updates.map(({ variable, value }) => {
    const node = nodeAt(graph, variable)
    invariant(node.op === 'variable', () => `an update of ${graph.name} names no variable`)
    return { name: node.attrs.name, value }
  })

/** The variables whose values the live graph reads, without those that it only updates. */
export const variablesReadBy = (graph: Graph): readonly Node<'variable'>[] =>
  cached(allVariablesRead, graph, (g) => {
    const isRead = new Uint8Array(g.nodes.length)
    for (const { inputs } of liveOrder(g)) for (const { id } of inputs) isRead[id] = 1
    for (const { id } of rootsOf(g)) isRead[id] = 1
    return variablesOf(g).filter(({ id }) => isRead[id] === 1)
  })
const allVariablesRead = new WeakMap<Graph, readonly Node<'variable'>[]>()

/** By the nodes of graphs. */
export type CacheByParts<T> = WeakMap<Graph['nodes'], { readonly of: Graph; readonly value: T }>

/**
 * Computes a value once for all graphs that consist of the same objects, such as the bodies of equal regions. For values that depend on nothing beside
 * the graph.
 */
export const cachedByParts = <T>(cache: CacheByParts<T>, graph: Graph, compute: (graph: Graph) => T): T => {
  const known = cache.get(graph.nodes)
  if (known !== undefined && haveSameParts(known.of, graph)) return known.value
  const value = compute(graph)
  // Only what is frozen stays the same.
  if (isFrozen(graph)) cache.set(graph.nodes, { of: graph, value })
  return value
}

const haveSameParts = (a: Graph, b: Graph): boolean =>
  a.name === b.name && a.inputs === b.inputs && a.outputs === b.outputs && a.updates === b.updates

const isFrozen = ({ nodes, inputs, outputs, updates }: Graph): boolean =>
  [nodes, inputs, outputs, updates, ...nodes].every(Object.isFrozen)

/** Computes a value once per graph. */
export const cached = <T>(cache: WeakMap<Graph, T>, graph: Graph, compute: (graph: Graph) => T): T => {
  const known = cache.get(graph)
  if (known !== undefined) return known
  const value = compute(graph)
  cache.set(graph, value)
  return value
}
