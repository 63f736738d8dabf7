/**
 * The strategy `tensorflow`: the painting of TensorFlow's own graph rewrite (auto_mixed_precision), as of 2.15, on port classes.
 * A heuristic that ignores costs; min-cut.ts finds the cheapest assignment. For each node it decides as TensorFlow does
 * (test/goldens/amp), except for loops and tensor lists, which effuse's graphs do not have.
 */
import { invariant } from '../../ir/diagnostics.ts'
import {
  castAt,
  isFreeCast,
  type Assignment,
  type CastKind,
  type Edge,
  type PortGraph,
  type Vertex,
} from './port-graph.ts'

/** A vertex with the fields that only painting needs. */
export interface PaintVertex extends Vertex {
  /** The result of a declared cast. It becomes half if all its users do. */
  readonly isCast?: boolean | undefined
  /** An op that no list has: paint neither starts here nor enters nor passes, for every class. */
  readonly isBarrier?: boolean | undefined
  /** An allow op where paint starts although it cannot be half: TensorFlow checks the op's definition only afterwards. */
  readonly startsPaint?: boolean | undefined
}

/** Every PortGraph is one. */
export interface PaintGraph extends PortGraph {
  readonly vertices: readonly PaintVertex[]
}

export interface PaintOptions {
  /**
   * A rule that TensorFlow 2.21 has and 2.15 does not: in the order of the vertices, an infer op with a half operand and without a denied
   * operand becomes half even if no allow op follows (default false).
   */
  readonly followAllow?: boolean | undefined
}

/** A cast that an assignment needs: one per value, shared by all users of the other type. */
export interface Cast {
  readonly edge: Edge
  readonly kind: CastKind
  /** The cast costs nothing; it is counted separately. */
  readonly isFree: boolean
}

/** Reductions that TensorFlow denies. The other wide ops, softmax and batch norm, are infer ops there. */
const deniedWide: ReadonlySet<string> = new Set(['reduceSum', 'mean', 'variance'])

/**
 * The vertices that TensorFlow's painting computes in half. Declared half vertices stay half. Deny vertices and vertices that cannot be
 * half never become half.
 * @throws EffuseError EF901 if the graph is inconsistent: a vertex's id is not its index, or an edge has an unknown vertex.
 * @example
 * const vertex = { op: '', canBeHalf: true, isHalf: false } as const
 * const half = paint({
 *   vertices: [
 *     { ...vertex, id: 0, name: 'exp', class: 'deny' },
 *     { ...vertex, id: 1, name: 'relu', class: 'clear' },
 *     { ...vertex, id: 2, name: 'matmul', class: 'allow' },
 *     { ...vertex, id: 3, name: 'log', class: 'infer' },
 *   ],
 *   edges: [0, 1, 2].map((id) => ({ from: id, to: [id + 1], bytes: 2, isFree: false })),
 * })
 * half // [false, true, true, false]
 */
export const paint = (graph: PaintGraph, options: PaintOptions = {}): Assignment => {
  checkGraph(graph)
  const { vertices } = graph
  const links = linksOf(graph)
  // Otherwise paint would spread around an op that stays float32 (kept, or without a half kernel), and add casts without a gain.
  const allow = idsOf(vertices, (v) => isA(v, 'allow') && (v.canBeHalf || v.isHalf || v.startsPaint === true))
  const denied = deniedIn(vertices, links)
  const isOpen = (id: number): boolean => vertices[id]?.canBeHalf === true && !vertices[id].isHalf && !denied.has(id)
  const painted = paintBetween(vertices, links, allow, isOpen)
  if (options.followAllow === true) followAllow(vertices, links, painted, isOpen)
  // Steps 4 and 5.
  const flooded = reach(painted, links.both, (id) => isOpen(id) && isA(vertices[id], 'clear'))
  const half = new Set([...flooded].filter((id) => vertices[id]?.canBeHalf === true))
  // Step 6 is last, because it needs the decisions for the users. Casts never use each other's results as half.
  for (const id of idsOf(vertices, (v) => v.isCast === true && v.canBeHalf)) {
    const users = links.users(id)
    if (users.length > 0 && users.every((user) => half.has(user))) half.add(id)
  }
  return vertices.map((v) => v.isHalf || half.has(v.id))
}

/**
 * The casts that an assignment needs, in the order of the edges. Their number measures a strategy; free casts are counted separately.
 * @throws EffuseError EF901 if the assignment does not have one entry per vertex.
 * @example
 * const vertex = { op: 'matmul', class: 'allow', canBeHalf: true, isHalf: false } as const
 * const graph = {
 *   vertices: [{ ...vertex, id: 0, name: 'a' }, { ...vertex, id: 1, name: 'b' }],
 *   edges: [{ from: 0, to: [1], bytes: 2, isFree: false }],
 * }
 * castsOf(graph, [true, false]).length // 1
 */
export const castsOf = (graph: PortGraph, assignment: Assignment): readonly Cast[] => {
  const [count, given] = [graph.vertices.length, assignment.length]
  invariant(count === given, () => `expected an assignment of ${count} vertices, got one of ${given}`)
  return graph.edges.flatMap((edge) => {
    const kind = castAt(edge, assignment)
    return kind === null ? [] : [{ edge, kind, isFree: isFreeCast(graph, edge, kind) }]
  })
}

/** Step 2: deny spreads along values through clear and infer ops, up to the last deny or infer op on the path. */
const deniedIn = (vertices: readonly PaintVertex[], links: Links): ReadonlySet<number> => {
  const deny = idsOf(vertices, (v) => isA(v, 'deny'))
  const infer = idsOf(vertices, (v) => isA(v, 'infer'))
  // A clear op that leads to neither is as exact in half after an exponential as elsewhere.
  const upstream = reach([...deny, ...infer], links.inputs, (id) => isA(vertices[id], 'clear'))
  return reach(deny, links.users, (id) => upstream.has(id))
}

/** Steps 1 and 3: the allow ops, and the vertices on paths between them. */
const paintBetween = (
  vertices: readonly PaintVertex[],
  links: Links,
  allow: readonly number[],
  isOpen: (id: number) => boolean,
): Set<number> => {
  const isNeutral = (id: number): boolean => isA(vertices[id], 'clear') || isA(vertices[id], 'infer')
  const downstream = reach(allow, links.users, (id) => isOpen(id) && isNeutral(id))
  return reach(allow, links.inputs, (id) => downstream.has(id))
}

/**
 * TensorFlow 2.21's step after the third. Adds to `painted`, so that a whole chain of infer ops follows. The rule that no operand may be
 * denied needs no check: a denied operand would have denied the op.
 */
const followAllow = (
  vertices: readonly PaintVertex[],
  links: Links,
  painted: Set<number>,
  isOpen: (id: number) => boolean,
): void => {
  for (const vertex of vertices) {
    if (!isA(vertex, 'infer') || !isOpen(vertex.id)) continue
    if (links.inputs(vertex.id).some((id) => painted.has(id))) painted.add(vertex.id)
  }
}

const isA = (vertex: PaintVertex | undefined, asked: Exclude<Vertex['class'], 'wide'>): boolean => {
  if (vertex === undefined || vertex.isBarrier === true) return false
  if (vertex.class !== 'wide') return vertex.class === asked
  return asked === (deniedWide.has(vertex.op) ? 'deny' : 'infer')
}

const idsOf = (vertices: readonly PaintVertex[], has: (vertex: PaintVertex) => boolean): readonly number[] =>
  vertices.filter(has).map((v) => v.id)

/** The start vertices, and all vertices that a walk from them reaches over vertices that it may enter. */
const reach = (
  starts: Iterable<number>,
  next: (id: number) => readonly number[],
  mayEnter: (id: number) => boolean,
): Set<number> => {
  const reached = new Set(starts)
  // Iteration over a Set also visits elements that are added during it.
  for (const id of reached) {
    for (const neighbour of next(id)) if (mayEnter(neighbour)) reached.add(neighbour)
  }
  return reached
}

/** Neighbours of each vertex. */
interface Links {
  readonly inputs: (id: number) => readonly number[]
  readonly users: (id: number) => readonly number[]
  readonly both: (id: number) => readonly number[]
}

const linksOf = ({ vertices, edges }: PortGraph): Links => {
  const inputs = vertices.map((): number[] => [])
  const users = vertices.map((): number[] => [])
  for (const { from, to } of edges) {
    for (const user of to) {
      inputs[user]?.push(from)
      users[from]?.push(user)
    }
  }
  return {
    inputs: (id) => inputs[id] ?? [],
    users: (id) => users[id] ?? [],
    both: (id) => [...(inputs[id] ?? []), ...(users[id] ?? [])],
  }
}

const checkGraph = ({ vertices, edges }: PortGraph): void => {
  vertices.forEach((v, i) => {
    invariant(v.id === i, () => `vertex '${v.name}' has the id ${v.id}, expected its place, ${i}`)
  })
  for (const { from, to } of edges) {
    for (const id of [from, ...to]) {
      invariant(vertices[id] !== undefined, () => `an edge names the vertex ${id} of ${vertices.length}`)
    }
  }
}
