/** What became of a node of the model: the answer to "where did my layer go, and why". */
import { EffuseError } from '../ir/diagnostics.ts'
import { liveOrder, nodesOf, typeOf } from '../ir/graph.ts'
import { globFilter } from '../ir/glob.ts'
import { nearest } from '../ir/parse.ts'
import { printNode } from '../ir/print.ts'
import { sideTables } from '../ir/side-tables.ts'
import { showType, type Graph, type Node, type NodeId } from '../ir/types.ts'
import { planNames, type Plans } from '../passes/pass.ts'
import type { PassRecord } from '../passes/runner.ts'

export interface Explanation {
  readonly asked: string
  /** The nodes as declared. */
  readonly declared: readonly string[]
  /** What stands in the final plans in their place. */
  readonly became: readonly {
    readonly plan: string
    readonly node: string
    readonly dtype: string
    readonly fusion: string | null
    readonly madeBy: string | null
  }[]
  /** Passes that changed something at these nodes, in order. */
  readonly history: readonly { readonly pass: string; readonly what: string }[]
  readonly callSite: string | null
  /** All of it as text. */
  readonly text: string
}

export interface Explainable {
  readonly declared: Graph
  readonly plans: Plans
  readonly records: readonly PassRecord[]
}

/** @throws EffuseError EF407 where no node has that path or name. */
export const explainNode = (asked: string, { declared, plans, records }: Explainable): Explanation => {
  const start = askedNodes(declared, asked)
  const ids = new Set<NodeId>(start.map((n) => n.id))
  const descends = (graph: Graph, node: Node): boolean =>
    ids.has(node.id) || (sideTables(graph).origin(node.id)?.from ?? []).some((id) => ids.has(id))
  const history: { pass: string; what: string }[] = []
  for (const record of records) {
    if (!record.changed) continue
    const made = nodesOf(record.after).filter(
      (n) =>
        !ids.has(n.id) &&
        (sideTables(record.after).origin(n.id)?.from ?? []).some((id) => ids.has(id)) &&
        record.before.nodes[n.id - record.before.firstId] == null,
    )
    const gone = nodesOf(record.before).filter(
      (n) => ids.has(n.id) && record.after.nodes[n.id - record.after.firstId] == null,
    )
    for (const n of made) ids.add(n.id)
    if (made.length + gone.length > 0)
      history.push({
        pass: record.name,
        what: [...gone.map((n) => `removed ${n.op}`), ...made.map((n) => `made ${n.op}`)].join(', '),
      })
  }
  const became = planNames.flatMap((plan) => {
    const graph = plans[plan]
    if (graph === undefined) return []
    return liveOrder(graph)
      .filter((n) => descends(graph, n))
      .map((n) => ({
        plan,
        node: printNode(graph, n).split('\n', 1)[0] ?? '',
        dtype: n.types.map((t) => t.dtype).join(', '),
        fusion: n.op === 'fusion' ? n.attrs.kind : null,
        madeBy: sideTables(graph).origin(n.id)?.label ?? null,
      }))
  })
  const site = start.map((n) => sideTables(declared).callSite(n.id)).find((s) => s !== null) ?? null
  const lines = start.map(
    (n) =>
      `${n.op} ${n.types.map(showType).join(', ')} from ${n.inputs.map((ref) => showType(typeOf(declared, ref))).join(', ') || 'nothing'} @ ${n.path}`,
  )
  return {
    asked,
    declared: lines,
    became,
    history,
    callSite: site,
    text: [
      `${asked} was declared as`,
      ...lines.map((l) => `  ${l}`),
      ...(site === null ? [] : [`  at ${site}`]),
      history.length === 0 ? 'No pass changed it.' : 'Passes that changed it:',
      ...history.map((h) => `  ${h.pass}: ${h.what}`),
      became.length === 0
        ? 'Nothing of it is left: no output depends on it, or a law made it superfluous.'
        : 'In the program it is:',
      ...became.map(
        (b) =>
          `  ${b.plan}: ${b.node.length > 200 ? `${b.node.slice(0, 200)}…` : b.node}${b.madeBy === null ? '' : `  (made by ${b.madeBy})`}`,
      ),
    ].join('\n'),
  }
}

/** Nodes at the path, below it, or matching it as a glob; `%12` names a node of the declared graph. */
const askedNodes = (graph: Graph, asked: string): readonly Node[] => {
  const nodes = liveOrder(graph)
  const byName = /^%(\d+)$/.exec(asked)
  if (byName !== null) {
    const node = nodes[Number(byName[1])]
    if (node !== undefined) return [node]
  }
  const exact = nodes.filter((n) => n.path === asked)
  const below =
    exact.length > 0 ? exact : nodes.filter((n) => n.path.startsWith(`${asked}/`) || globFilter(asked)(n.path))
  if (below.length > 0) return below
  const paths = [...new Set(nodes.map((n) => n.path))].filter((path) => path !== '')
  throw new EffuseError({
    code: 'EF407',
    message: `no node of ${graph.name} has the path "${asked}"`,
    hint:
      paths.length === 0
        ? 'nothing in it has a path; %0, %1 … name its values in order'
        : `did you mean "${nearest(asked, paths)}"?`,
  })
}
