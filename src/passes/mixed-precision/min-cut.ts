/**
 * The exact strategy: the cheapest assignment is a minimum cut. With x = 1 for half (the source's side), a value made by u for users C costs
 *   narrowing (1 - x_u) * max x_c  +  widening x_u * (1 - min x_c)
 * Both terms are submodular, so each becomes arcs with one auxiliary node: c -> d infinite, d -> u the cost of narrowing; u -> e the cost of
 * widening, e -> c infinite. The cost of a contraction in float32 is an arc from the source. The maximum flow equals the cost. No assignment
 * is cheaper, so it is the certificate.
 */
import { infinite, makeFlowNetwork, type FlowNetwork, type Triple } from './max-flow.ts'
import { isFreeCast, settled, type Assignment, type Edge, type PortGraph, type Price } from './port-graph.ts'

export interface MinimumCut {
  /** Of all cheapest assignments, the one with the most vertices in half. It is unique. */
  readonly assignment: Assignment
  /** The maximum flow: no assignment is cheaper. */
  readonly lowerBound: Price
}

const [source, sink, firstFree] = [0, 1, 2]

/**
 * The cheapest assignment. Costs are compared by contractions in float32, then casts, then bytes.
 * @param forced Vertices with a given side, to compute the cost of the other side. Settled vertices do not change.
 * @example
 * const vertex = { name: '', op: 'conv2d', class: 'allow', canBeHalf: true, isHalf: false } as const
 * const image = { ...vertex, id: 0, class: 'clear', canBeHalf: false } as const
 * const { assignment, lowerBound } = minimumCut({
 *   vertices: [image, { ...vertex, id: 1 }],
 *   edges: [{ from: 0, to: [1], bytes: 8, isFree: false }],
 * }) // assignment is [false, true], at the price of 1 cast of 8 bytes
 */
export const minimumCut = (graph: PortGraph, forced: ReadonlyMap<number, boolean> = new Map()): MinimumCut => {
  const { vertices, edges } = graph
  let count = firstFree
  // Settled vertices become the terminals, which keeps the network small.
  const nodes = vertices.map((vertex) => {
    const side = settled(vertex) ?? forced.get(vertex.id) ?? null
    return side === null ? count++ : side ? source : sink
  })
  const auxiliary = count
  const network = makeFlowNetwork(auxiliary + 2 * edges.length)
  for (const vertex of vertices)
    if (vertex.class === 'allow') connect(network, source, nodes[vertex.id] as number, [1, 0, 0]) // a node per vertex
  edges.forEach((edge, i) => addEdge(network, graph, edge, nodes, auxiliary + 2 * i))
  const [contractions, casts, bytes] = network.maximise(source, sink)
  const isFloat32 = network.sinkSide(sink)
  return {
    assignment: nodes.map((node) => isFloat32[node] !== 1),
    lowerBound: { contractions, casts, bytes },
  }
}

const addEdge = (
  network: FlowNetwork,
  graph: PortGraph,
  edge: Edge,
  nodes: readonly number[],
  auxiliary: number,
): void => {
  const from = nodes[edge.from] as number // edges name vertices of the graph
  const users = [...new Set(edge.to.map((user) => nodes[user] as number))]
  const price: Triple = [0, 1, edge.bytes]
  if (!isFreeCast(graph, edge, 'narrow')) {
    const d = gathered(users, source, auxiliary)
    if (d === auxiliary) for (const user of users) connect(network, user, d, infinite)
    connect(network, d, from, price)
  }
  if (!isFreeCast(graph, edge, 'widen')) {
    const e = gathered(users, sink, auxiliary + 1)
    if (e === auxiliary + 1) for (const user of users) connect(network, e, user, infinite)
    connect(network, from, e, price)
  }
}

/** The node that joins the users: the terminal if one of them is settled, the user itself if there is only one, else an auxiliary node. */
const gathered = (users: readonly number[], terminal: number, auxiliary: number): number =>
  users.includes(terminal) ? terminal : users.length === 1 ? (users[0] ?? auxiliary) : auxiliary

/** Arcs into the source and out of the sink carry no flow. */
const connect = (network: FlowNetwork, from: number, to: number, capacity: Triple): void => {
  if (from !== to && to !== source && from !== sink) network.addArc(from, to, capacity)
}
