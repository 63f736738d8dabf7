/**
 * What is known of a graph's nodes besides the graph: call sites, origins, constants. Kept apart so that equal programs stay equal.
 * Tables form a chain: a graph made by an edit has a small table of its own and looks the rest up in its base's.
 */
import { callSiteOf } from './call-site.ts'
import { makeConstantPool, type ConstantPool } from './constants.ts'
import type { Graph, NodeId } from './types.ts'

export interface SideTables {
  readonly constants: ConstantPool
  /** Where in the user's program a node was made; formatted when asked for. */
  callSite(id: NodeId): string | null
  /** The nodes of earlier graphs from which a pass made this one, and the pass's label; null: the user made it. */
  origin(id: NodeId): Origin | null
}
export interface Origin {
  readonly from: readonly NodeId[]
  readonly label: string
}

const tables = new WeakMap<Graph, SideTables>()

/** The side tables of a graph; a graph without any gets empty ones. */
export const sideTables = (graph: Graph): SideTables => {
  const known = tables.get(graph)
  if (known !== undefined) return known
  const empty = rootTables(makeConstantPool(), new Map())
  tables.set(graph, empty)
  return empty
}

export const setSideTables = (graph: Graph, of: SideTables): Graph => {
  tables.set(graph, of)
  return graph
}

/** Tables of a graph that a user's program built. `errors` were captured at each call. */
export const rootTables = (constants: ConstantPool, callSites: ReadonlyMap<NodeId, Error>): SideTables => ({
  constants,
  callSite: (id) => callSiteOf(callSites.get(id)),
  origin: () => null,
})

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
})
