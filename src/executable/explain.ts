/** What the passes did with a node of the model. It answers "where did my layer go, and why". */
import type { Runnable } from '../backends/backend.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { findNode, liveOrder, nodesOf, typeOf } from '../ir/graph.ts'
import { globFilter } from '../ir/glob.ts'
import { printNode } from '../ir/print.ts'
import { sideTables } from '../ir/side-tables.ts'
import { showType, type Graph, type Node, type NodeId } from '../ir/types.ts'
import { fusionNotes } from '../passes/fusion/decision.ts'
import type { FusionNote } from '../passes/fusion/explain.ts'
import type { PrecisionNote } from '../passes/mixed-precision/explain.ts'
import { precisionNotes } from '../passes/mixed-precision/report.ts'
import { graphSteps, mainStep, type Program } from '../passes/program.ts'
import type { PassRecord } from '../passes/runner.ts'
import type { AmpFigures } from './amp.ts'
import { didYouMean } from '../ir/words.ts'

export interface Explanation {
  readonly asked: string
  /** The declared nodes. */
  readonly declared: readonly string[]
  /** The nodes that replace them in the final graphs. */
  readonly became: readonly {
    readonly plan: string
    readonly node: string
    readonly dtype: string
    readonly fusion: string | null
    readonly madeBy: string | null
  }[]
  /** Passes that changed something at these nodes, in order. */
  readonly history: readonly { readonly pass: string; readonly what: string }[]
  /** Why it computes in half or in float32; empty without mixed precision. */
  readonly precision: readonly PrecisionNote[]
  /** Which kernels it is in, and why it is not fused with what is around; empty where the pass fusion did not run. */
  readonly kernels: readonly FusionNote[]
  readonly callSite: string | null
  /** The backend's decisions for the whole program, each with its reason. */
  readonly notes: readonly string[]
  /** Everything as text. */
  readonly text: string
}

export interface Explainable {
  readonly declared: Graph
  readonly program: Program
  readonly records: readonly PassRecord[]
  readonly runnable?: Pick<Runnable, 'notes'> | undefined
  readonly amp?: Pick<AmpFigures, 'note'> | null | undefined
}

/** @throws EffuseError EF407 if no node has that path or name, EF403 if it is not a string. */
export const explainNode = (asked: string, explainable: Explainable): Explanation => {
  const { declared, program, records, runnable, amp } = explainable
  if (typeof asked !== 'string')
    throw new EffuseError({
      code: 'EF403',
      message: `explain() takes the path of a node, or its name in the printed graph, got ${showGiven(asked)}`,
      hint: "explain('stem/conv')",
    })
  const start = askedNodes(declared, asked)
  const { history, idsIn } = descendants(start, records)
  const became = graphSteps(program).flatMap(({ name: plan, graph }) => {
    const ids = idsIn(plan)
    return liveOrder(graph)
      .filter((n) => ids.has(n.id) || descends(graph, n, ids))
      .map((n) => ({
        plan,
        node: nodeLine(graph, n),
        dtype: n.types.map((t) => t.dtype).join(', '),
        fusion: n.op === 'fusion' ? n.attrs.kind : null,
        madeBy: sideTables(graph).origin(n.id)?.label ?? null,
      }))
  })
  const precision = records.flatMap((record) => {
    if (record.name !== 'amp') return []
    const ids = idsIn(record.plan)
    return precisionNotes(record.after, (before, n) => ids.has(n.id) || descends(before, n, ids))
  })
  const kernels = records.flatMap((record) => {
    if (record.name !== 'fusion') return []
    const ids = idsIn(record.plan)
    return fusionNotes(record.after, (before, n) => ids.has(n.id) || descends(before, n, ids))
  })
  const site = start.map((n) => sideTables(declared).callSite(n.id)).find((s) => s !== null) ?? null
  const note = amp?.note ?? null
  const notes = [...(runnable?.notes ?? []), ...(note === null ? [] : [`mixed precision: ${note}`])]
  const lines = start.map(
    (n) =>
      `${n.op} ${n.types.map(showType).join(', ')} from ${n.inputs.map((ref) => showType(typeOf(declared, ref))).join(', ') || 'nothing'} @ ${n.path}`,
  )
  return {
    asked,
    declared: lines,
    became,
    history,
    precision,
    kernels,
    callSite: site,
    notes,
    text: [
      `${asked} was declared as`,
      ...lines.map((l) => `  ${l}`),
      ...(site === null ? [] : [`  at ${site}`]),
      history.length === 0 ? 'No pass changed it.' : 'Passes that changed it:',
      ...history.map((h) => `  ${h.pass}: ${h.what}`),
      ...(precision.length === 0 ? [] : ['Mixed precision:']),
      ...precision.flatMap(precisionLines),
      ...(kernels.length === 0 ? [] : ['Kernels:']),
      ...kernels.flatMap(kernelLines),
      became.length === 0
        ? 'Nothing of it is left: no output depends on it, or a law made it superfluous.'
        : 'In the program it is:',
      ...became.map(
        (b) =>
          `  ${b.plan}: ${b.node.length > 200 ? `${b.node.slice(0, 200)}…` : b.node}${b.madeBy === null ? '' : `  (made by ${b.madeBy})`}`,
      ),
      ...(notes.length === 0 ? [] : ['The whole program:']),
      ...notes.map((line) => `  ${line}`),
    ].join('\n'),
  }
}

/** In one line. For a region: the ops that are fused, not its body. */
const nodeLine = (graph: Graph, n: Node): string => {
  if (n.op !== 'fusion') return printNode(graph, n).split('\n', 1)[0] ?? ''
  const parts = liveOrder(n.attrs.body).flatMap(({ op }) => (op === 'input' ? [] : [op]))
  return `fusion ${n.attrs.kind} of ${partList(parts)} : ${n.types.map(showType).join(', ')} @ ${n.path}`
}

/** `conv2d, add, 3 mul`: in order, repeated ones counted. */
const partList = (parts: readonly string[]): string =>
  [...new Set(parts)]
    .map((part) => [part, parts.filter((other) => other === part).length] as const)
    .map(([part, count]) => (count === 1 ? part : `${count} ${part}`))
    .join(', ')

const descends = (graph: Graph, node: Node, ids: ReadonlySet<NodeId>): boolean =>
  (sideTables(graph).origin(node.id)?.from ?? []).some((id) => ids.has(id))

interface Descendants {
  readonly history: Explanation['history']
  /** The nodes' replacements in a plan. Each plan numbers its new nodes separately. */
  readonly idsIn: (plan: string) => ReadonlySet<NodeId>
}

/** Follows the nodes through the passes. A plan that a pass made starts with the nodes of the plan `run`. */
const descendants = (start: readonly Node[], records: readonly PassRecord[]): Descendants => {
  const ids = new Map<string, ReadonlySet<NodeId>>([[mainStep, new Set(start.map((n) => n.id))]])
  const idsIn = (plan: string): ReadonlySet<NodeId> => ids.get(plan) ?? ids.get(mainStep) ?? new Set()
  const history: { pass: string; what: string }[] = []
  for (const position of new Set(records.map(({ at }) => at))) {
    const ofPass = records.filter(({ at }) => at === position)
    const changes = ofPass.map((record) => ({ record, ...changesBy(record, idsIn(record.plan), ofPass) }))
    for (const { record, own, made } of changes) ids.set(record.plan, new Set([...own, ...made.map((n) => n.id)]))
    const said = [
      ...[...new Set(changes.flatMap(({ gone }) => gone))].map((n) => `removed ${n.op}`),
      ...changes.flatMap(({ made }) => made).map((n) => `made ${n.op}`),
    ]
    const [first] = ofPass
    if (first !== undefined && said.length > 0) history.push({ pass: first.name, what: said.join(', ') })
  }
  return { history, idsIn }
}

const isIn = (graph: Graph, { id }: Node): boolean => findNode(graph, id) !== null

/** If a pass splits a plan, a node that any of the new plans has is not removed. */
const changesBy = ({ before, after }: PassRecord, own: ReadonlySet<NodeId>, ofPass: readonly PassRecord[]) => ({
  own,
  made: nodesOf(after).filter((n) => !own.has(n.id) && !isIn(before, n) && descends(after, n, own)),
  gone: nodesOf(before).filter(
    (n) => own.has(n.id) && ofPass.every((record) => record.before !== before || !isIn(record.after, n)),
  ),
})

const precisionLines = (note: PrecisionNote): readonly string[] => [
  `  ${note.name}: ${note.dtype}${note.class === null ? '' : ` (class ${note.class})`}, because ${note.reason}`,
  ...note.casts.map((cast) => `    its region ends at ${cast}`),
  ...(note.moreCasts === 0 ? [] : [`    and at ${note.moreCasts} more`]),
  `    to change it: ${note.change}`,
]

const kernelLines = ({ text, notFused }: FusionNote): readonly string[] => [
  `  ${text}`,
  ...notFused.map(({ node, is, why }) => `    not fused with ${node} ${is} it: ${why}`),
]

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
    hint: paths.length === 0 ? 'nothing in it has a path; %0, %1 … name its values in order' : didYouMean(asked, paths),
  })
}
