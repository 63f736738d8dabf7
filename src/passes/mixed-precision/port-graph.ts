/**
 * Mixed precision as an abstract problem: port classes that compute in float32 or in half, values that flow between them, and what an
 * answer costs. Knows nothing of the IR; problem.ts makes one from a graph, a strategy (min-cut.ts, painting.ts) answers it, rewrite.ts carries it out.
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
  /** true: already half as written. */
  readonly isHalf: boolean
}

/**
 * A value: made by vertex `from`, used by vertices `to`.
 *
 * `isFree` from a vertex that is fixed at float32 (a variable): narrowing costs nothing. From one that can be half (a contraction whose
 * result is a vertex of its own): widening costs nothing; narrowing what it computed in float32 does.
 */
export interface Edge {
  readonly from: number
  readonly to: readonly number[]
  /** Elements times 2 bytes; tie-break weight. */
  readonly bytes: number
  /** A cast of it costs nothing: wide output, or a variable's half copy. */
  readonly isFree: boolean
  /** Casts of it that stand in the graph as written: to use one costs nothing more. */
  readonly written?: readonly CastKind[] | undefined
}

export interface PortGraph {
  readonly vertices: readonly Vertex[]
  readonly edges: readonly Edge[]
}

/** For each vertex: computes in half. */
export type Assignment = readonly boolean[]

/** What an answer costs. Compared in this order: a cast more is worth a contraction more in half, bytes decide between equals. */
export interface Price {
  /** Vertices of class allow that compute in float32. */
  readonly contractions: number
  /** Casts that stand alone: at most one per edge, shared by all users of the other type. */
  readonly casts: number
  /** Bytes of half that the casts write or read. */
  readonly bytes: number
}

/** What is settled before any strategy: already half, or always float32; null where there is a choice. */
export const settled = (vertex: Vertex): boolean | null =>
  vertex.isHalf ? true : !vertex.canBeHalf || vertex.class === 'deny' ? false : null

/** The cast that an edge needs; one at most, since all its users of the other type share it. */
export type CastKind = 'narrow' | 'widen'
export const castAt = (edge: Edge, isHalf: Assignment): CastKind | null =>
  isHalf[edge.from] === true
    ? edge.to.some((user) => isHalf[user] !== true)
      ? 'widen'
      : null
    : edge.to.some((user) => isHalf[user] === true)
      ? 'narrow'
      : null

/** Whether a cast of that kind costs nothing there; see Edge. */
export const isFreeCast = ({ vertices }: PortGraph, edge: Edge, kind: CastKind): boolean =>
  edge.written?.includes(kind) === true ||
  (edge.isFree && (kind === 'widen' || vertices[edge.from]?.canBeHalf !== true))

/** What an answer costs. */
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

/** Below 0 where `a` is cheaper. */
export const comparePrices = (a: Price, b: Price): number =>
  a.contractions - b.contractions || a.casts - b.casts || a.bytes - b.bytes
