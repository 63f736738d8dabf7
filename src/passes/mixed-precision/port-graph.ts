/**
 * Mixed precision as an abstract problem: port classes that compute in float32 or in half, the values between them, and the cost of an
 * assignment. Independent of the IR: problem.ts makes it from a graph, a strategy (min-cut.ts, painting.ts) solves it, rewrite.ts applies it.
 */

/** One port class of one node: the unit of decision. `id` is its index in PortGraph.vertices. */
export interface Vertex {
  readonly id: number
  /** Name for messages: `path op` or a TensorFlow node's name. */
  readonly name: string
  readonly op: string
  readonly class: 'allow' | 'deny' | 'infer' | 'clear' | 'wide'
  /** false: fixed at float32 (inputs, outputs, variables, ops without half kernels). */
  readonly canBeHalf: boolean
  /** true: declared half. */
  readonly isHalf: boolean
}

/**
 * A value: made by vertex `from`, used by vertices `to`.
 *
 * `isFree` from a vertex that is fixed at float32 (a variable): narrowing costs nothing. From a vertex that can be half (a contraction whose
 * result is a separate vertex): widening costs nothing; narrowing a result computed in float32 has a cost.
 */
export interface Edge {
  readonly from: number
  readonly to: readonly number[]
  /** Elements times 2 bytes; tie-break weight. */
  readonly bytes: number
  /** A cast of it costs nothing: wide output, or a variable's half copy. */
  readonly isFree: boolean
  /** Declared casts of it. Using one has no additional cost. */
  readonly written?: readonly CastKind[] | undefined
}

export interface PortGraph {
  readonly vertices: readonly Vertex[]
  readonly edges: readonly Edge[]
}

/** For each vertex: computes in half. */
export type Assignment = readonly boolean[]

/** The cost of an assignment. Compared in this order: an additional contraction in half justifies additional casts; bytes decide between equals. */
export interface Price {
  /** Vertices of class allow that compute in float32. */
  readonly contractions: number
  /** Separate casts: at most one per edge, shared by all users of the other type. */
  readonly casts: number
  /** Bytes of half that the casts write or read. */
  readonly bytes: number
}

/** The type that is settled before any strategy runs: declared half, or always float32; null if there is a choice. */
export const settled = (vertex: Vertex): boolean | null =>
  vertex.isHalf ? true : !vertex.canBeHalf || vertex.class === 'deny' ? false : null

/** The cast that an edge needs; at most one, because all its users of the other type share it. */
export type CastKind = 'narrow' | 'widen'
export const castAt = (edge: Edge, isHalf: Assignment): CastKind | null =>
  isHalf[edge.from] === true
    ? edge.to.some((user) => isHalf[user] !== true)
      ? 'widen'
      : null
    : edge.to.some((user) => isHalf[user] === true)
      ? 'narrow'
      : null

/** Whether a cast of this kind costs nothing on this edge; see Edge. */
export const isFreeCast = ({ vertices }: PortGraph, edge: Edge, kind: CastKind): boolean =>
  edge.written?.includes(kind) === true ||
  (edge.isFree && (kind === 'widen' || vertices[edge.from]?.canBeHalf !== true))

/** Computes the cost of an assignment. */
export const priceOf = (graph: PortGraph, isHalf: Assignment): Price => {
  const contractions = graph.vertices.filter((v) => v.class === 'allow' && isHalf[v.id] !== true).length
  let [casts, bytes] = [0, 0]
  for (const edge of graph.edges) {
    const kind = castAt(edge, isHalf)
    if (kind === null || isFreeCast(graph, edge, kind)) continue
    casts += 1
    bytes += edge.bytes
  }
  return { contractions, casts, bytes }
}

/** Below 0 if `a` is cheaper. */
export const comparePrices = (a: Price, b: Price): number =>
  a.contractions - b.contractions || a.casts - b.casts || a.bytes - b.bytes
