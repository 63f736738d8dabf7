/**
 * What is known of a graph's nodes besides the graph: call sites, origins, constants. Kept apart so that equal programs stay equal.
 * Tables form a chain: a graph made by an edit has a small table of its own and looks the rest up in its base's.
 */
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

/** The first frame outside effuse: file, line, column. Captured always, formatted only when somebody asks (style.md). */
export const callSiteOf = (error: Error | undefined): string | null => {
  const frames = error?.stack?.split('\n').slice(1) ?? []
  const frame = frames.find((line) => !isOwnFrame(line))
  const place = frame?.match(/\(?((?:file:\/\/)?[^\s()]+:\d+:\d+)\)?\s*$/)?.[1]
  return place?.replace(/^file:\/\//, '') ?? null
}

/** Paths and file: URLs, of Windows too, in one form. */
const normalized = (text: string): string => text.replace(/file:\/\/(?:\/(?=[A-Za-z]:))?/g, '').replaceAll('\\', '/')

/** The folder that effuse's own modules lie in, whatever its name; null where a bundler made one file of everything. */
const ownFolder = /^(.*\/)ir\/side-tables\.[jt]s/.exec(normalized(import.meta.url))?.[1] ?? null

const isOwnFrame = (line: string): boolean =>
  (ownFolder !== null && normalized(line).includes(ownFolder)) || /node:internal|<anonymous>\)$/.test(line)
