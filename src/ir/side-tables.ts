/**
 * What is known of a graph's nodes besides the graph: call sites, origins, constants. Kept apart so that equal programs stay equal.
 * Tables form a chain: a graph made by an edit has a small table of its own and looks the rest up in its base's.
 * The body of a region has tables too, those of the graph that it was made of: they go where the body goes. Every region has a body of its own.
 */
import { callSiteOf } from './call-site.ts'
import { makeConstantPool, type ConstantPool } from './constants.ts'
import { EffuseError } from './diagnostics.ts'
import type { Graph, NodeId } from './types.ts'

export interface SideTables {
  readonly constants: ConstantPool
  /** Where in the user's program a node was made; formatted when asked for. */
  callSite(id: NodeId): string | null
  /** The nodes of earlier graphs from which a pass made this one, and the pass's label; null: the user made it. */
  origin(id: NodeId): Origin | null
  /** Model path of a node of a body, which must not say it itself; '' for other nodes, which do. */
  path(id: NodeId): string
}
/** In a body: the nodes of the graph around its region that the node stands for, and what the region is called. */
export interface Origin {
  readonly from: readonly NodeId[]
  readonly label: string
}

const tables = new WeakMap<Graph, SideTables>()

/**
 * The side tables of a graph.
 *
 * @throws EffuseError EF112 where a graph was put together by hand: its constants would be lost without an error.
 */
export const sideTables = (graph: Graph): SideTables => {
  const known = findSideTables(graph)
  if (known === null) throw noSideTables(graph)
  return known
}

/** The error EF112 about a graph. */
export const noSideTables = (graph: Graph): EffuseError =>
  new EffuseError({
    code: 'EF112',
    message: `nothing is known of the constants and origins of the graph "${graph.name}": it was put together by hand`,
    hint: 'change graphs with Edit; for a copy by hand, setSideTables(copy, sideTables(original))',
  })

/** The same; null where a graph has none. */
export const findSideTables = (graph: Graph): SideTables | null => tables.get(graph) ?? null

/** Gives a graph that was put together by hand what is known of its nodes; their numbers must be the same. */
export const setSideTables = (graph: Graph, of: SideTables): Graph => {
  tables.set(graph, of)
  return graph
}

/** What a builder knows of its nodes. */
export interface Built {
  /** Captured at each call. */
  readonly callSites?: ReadonlyMap<NodeId, Error> | undefined
  readonly origins?: ReadonlyMap<NodeId, Origin> | undefined
}

/** Tables of a graph that a program built or that was read from text. */
export const rootTables = (constants: ConstantPool, { callSites, origins }: Built = {}): SideTables => ({
  constants,
  callSite: (id) => callSiteOf(callSites?.get(id)),
  origin: (id) => origins?.get(id) ?? null,
  path: () => '',
})

/** Tables of a body made of a graph: node `at` of the body was node `order[at]` there. A body keeps nothing beside it. */
export const bodyTables = (graph: Graph, order: readonly NodeId[]): SideTables => {
  const base = sideTables(graph)
  const paths = order.map((id) => graph.nodes[id]?.path || base.path(id))
  const before = <T>(at: NodeId, known: (id: NodeId) => T, none: T): T => {
    const id = order[at]
    return id === undefined ? none : known(id)
  }
  return {
    constants: makeConstantPool(),
    callSite: (at) => before(at, base.callSite, null),
    origin: (at) => before(at, base.origin, null),
    path: (at) => paths[at] ?? '',
  }
}

/** Tables of a graph that an edit made from another. */
export const derivedTables = (base: SideTables, origins: ReadonlyMap<NodeId, Origin>): SideTables => ({
  constants: base.constants,
  callSite: (id) => {
    const direct = base.callSite(id)
    if (direct !== null) return direct
    for (const from of origins.get(id)?.from ?? []) {
      const site = base.callSite(from)
      if (site !== null) return site
    }
    return null
  },
  origin: (id) => origins.get(id) ?? base.origin(id),
  path: base.path,
})
