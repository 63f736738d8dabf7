/**
 * Side tables hold data on a graph's nodes outside of the graph: call sites, origins, constants. They are separate, so that equal programs stay equal.
 * Tables form a chain: a graph that an edit made has a small table of its own, and looks up the rest in that of its base.
 * The body of a region also has tables, made from those of the graph that became the body. Regions do not share bodies.
 */
import { callSiteOf } from './call-site.ts'
import { makeConstantPool, type ConstantPool } from './constants.ts'
import { EffuseError } from './diagnostics.ts'
import type { Graph, NodeId } from './types.ts'

export interface SideTables {
  readonly constants: ConstantPool
  /** The place in the user's program that made a node; formatted on each call. */
  callSite(id: NodeId): string | null
  /** The nodes of earlier graphs from which a pass made this one, and the pass's label; null if the user's program made it. */
  origin(id: NodeId): Origin | null
  /** Model path of a node of a body, because such nodes have no paths themselves; '' for other nodes. */
  path(id: NodeId): string
}
/** Where a node comes from. In a body: the nodes of the graph around the region that the node stands for, and the region's name. */
export interface Origin {
  readonly from: readonly NodeId[]
  readonly label: string
}

const tables = new WeakMap<Graph, SideTables>()

/**
 * The side tables of a graph.
 *
 * @throws EffuseError EF112 if a graph was assembled by hand: otherwise its constants would be lost silently.
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
    message: `the graph "${graph.name}" has no side tables for constants and origins: it was assembled by hand`,
    hint: 'change graphs with Edit; for a copy made by hand call setSideTables(copy, sideTables(original))',
  })

/** The side tables of a graph; null if it has none. */
export const findSideTables = (graph: Graph): SideTables | null => tables.get(graph) ?? null

/** Attaches side tables to a graph that was assembled by hand. Its nodes must have the same ids as those of the tables. */
export const setSideTables = (graph: Graph, of: SideTables): Graph => {
  tables.set(graph, of)
  return graph
}

/** What a builder records for its nodes. */
export interface Built {
  /** Captured at each call. */
  readonly callSites?: ReadonlyMap<NodeId, Error> | undefined
  readonly origins?: ReadonlyMap<NodeId, Origin> | undefined
}

/** The tables of a graph that a program built or that was read from text. */
export const rootTables = (constants: ConstantPool, { callSites, origins }: Built = {}): SideTables => ({
  constants,
  callSite: (id) => callSiteOf(callSites?.get(id)),
  origin: (id) => origins?.get(id) ?? null,
  path: () => '',
})

/** The tables of a body made from a graph: node `at` of the body was node `order[at]` there. A body has no constants outside of it. */
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

/** The tables of a graph that an edit made from another. */
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
