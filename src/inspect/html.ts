/** Writes the report of a compiled model as one HTML page, without scripts and external resources. */
import { escapeUTF8 } from 'entities/escape'
import type { Executable } from '../executable/executable.ts'
import type { Model } from '../ir/model.ts'
import { nodeCost } from '../ir/cost.ts'
import { findNode, liveOrder, nodesOf } from '../ir/graph.ts'
import { print, printNode } from '../ir/print.ts'
import { elements, type Graph, type Node } from '../ir/types.ts'
import { prepareStep } from '../passes/hoist-prepare.ts'
import { finalGraphs, type PassRecord } from '../passes/runner.ts'
import { inspectReport } from './inspect.ts'

/**
 * The report as one self-contained HTML page: passes, graphs side by side, kernels.
 *
 * @param batch The size at which `executable` was compiled.
 * @example
 * const page = htmlReport(model, net, 1)
 */
export const htmlReport = (model: Model, executable: Executable, batch: number): string => {
  const report = inspectReport(model, executable, batch)
  const figures: readonly (readonly [string, string])[] = [
    ['backend', `${report.backend} (${executable.backendReason})`],
    ['parameters', `${thousands(report.parameters)}, with moving statistics ${thousands(report.variables)}`],
    ['multiply-adds', `${(report.multiplyAdds / 1e9).toFixed(3)} G a run, batch ${batch}`],
    ['kernels', String(report.kernels)],
    ['peak memory', report.peakBytes === null ? 'not known to the backend' : `${thousands(report.peakBytes)} bytes`],
    ...(report.amp === null
      ? []
      : [
          [
            'mixed precision',
            report.amp.note ??
              `${report.amp.dtype}, ${report.amp.strategy}: ${report.amp.casts} casts, lower bound ${report.amp.lowerBound}; ${report.amp.absorbed} absorbed, ${report.amp.weightCasts} of weights`,
          ] as const,
        ]),
    ['passes', `${report.passes.reduce((sum, p) => sum + p.ms, 0).toFixed(1)} ms`],
  ]
  const graphs = finalGraphs(executable.passes)
  return page(report.model, [
    `<h1>${escapeUTF8(report.model)}</h1>`,
    `<dl>${figures.map(([name, value]) => `<dt>${name}</dt><dd>${escapeUTF8(value)}</dd>`).join('')}</dl>`,
    '<h2>Passes</h2>',
    ...executable.passes.map((record) => passSection(record, widest(executable.passes))),
    '<h2>Layers</h2>',
    layerTable(model.at({ batch }), [...graphs].find(([step]) => step !== prepareStep)?.[1]),
    '<h2>Programs</h2>',
    ...[...graphs].map(
      ([plan, graph]) =>
        `<details><summary>${plan}, ${liveOrder(graph).length} nodes</summary><pre>${escapeUTF8(print(graph))}</pre></details>`,
    ),
  ])
}

const thousands = (n: number): string => n.toLocaleString('en-US')
const widest = (records: readonly PassRecord[]): number =>
  Math.max(...records.map((r) => Math.max(nodesOf(r.before).length, nodesOf(r.after).length)))

/** A section for a pass: a bar for the sizes before and after, its counts, and the removed and added nodes. */
const passSection = (record: PassRecord, most: number): string => {
  const [before, after] = [nodesOf(record.before).length, nodesOf(record.after).length]
  const bar = (count: number, name: string): string =>
    `<span class="bar ${name}" style="width:${((100 * count) / most).toFixed(1)}%"></span>`
  const counts = Object.entries(record.report)
    .map(([what, count]) => `${escapeUTF8(what)}: ${count}`)
    .join(', ')
  const head = `<summary><b>${escapeUTF8(record.name)}</b> <i>${record.plan}</i><span class="size">${before} → ${after} nodes</span><span class="ms">${record.ms.toFixed(1)} ms</span><span class="counts">${record.changed ? counts : 'unchanged'}</span><span class="bars">${bar(before, 'before')}${bar(after, 'after')}</span></summary>`
  return `<details class="pass${record.changed ? '' : ' unchanged'}">${head}${record.changed ? difference(record) : ''}</details>`
}

const shownLines = 200
/** The changes between two graphs: the ids at which they have different nodes. */
const difference = ({ before, after }: PassRecord): string => {
  const gone = liveOrder(before).filter((n) => findNode(after, n.id) !== n)
  const come = liveOrder(after).filter((n) => findNode(before, n.id) !== n)
  const lines = (graph: Graph, nodes: readonly Node[], sign: string): string[] =>
    nodes
      .slice(0, shownLines)
      .map((n) => `<span class="${sign === '-' ? 'gone' : 'come'}">${sign} ${escapeUTF8(printNode(graph, n))}</span>`)
  const more = Math.max(0, gone.length - shownLines) + Math.max(0, come.length - shownLines)
  return `<pre>${[...lines(before, gone, '-'), ...lines(after, come, '+'), ...(more > 0 ? [`… and ${more} more`] : [])].join('\n')}</pre>`
}

/** Work and weights by the first parts of the path, as declared, and the number of their nodes in the final program. */
const layerTable = (declared: Graph, final: Graph | undefined): string => {
  interface Row {
    multiplyAdds: number
    parameters: number
    declared: number
    final: number
  }
  const rows = new Map<string, Row>()
  const row = (path: string): Row => {
    const name = path.split('/', 1)[0] || '(input)'
    const known = rows.get(name) ?? { multiplyAdds: 0, parameters: 0, declared: 0, final: 0 }
    rows.set(name, known)
    return known
  }
  for (const node of liveOrder(declared)) {
    const at = row(node.path)
    at.multiplyAdds += nodeCost(declared, node).multiplyAdds
    if (node.op === 'variable') at.parameters += node.attrs.trainable ? elements(node.types[0]?.shape ?? []) : 0
    else at.declared++
  }
  for (const node of final === undefined ? [] : liveOrder(final)) if (node.inputs.length > 0) row(node.path).final++
  const cells = [...rows].map(
    ([name, r]) =>
      `<tr><td>${escapeUTF8(name)}</td><td>${thousands(r.parameters)}</td><td>${(r.multiplyAdds / 1e6).toFixed(1)} M</td><td>${r.declared}</td><td>${r.final}</td></tr>`,
  )
  return `<table><tr><th>layer</th><th>parameters</th><th>multiply-adds</th><th>nodes declared</th><th>in the program</th></tr>${cells.join('')}</table>`
}

const style = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1c2530; background: #fff }
h1 { font-size: 1.6rem } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #d5dce4 }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.5rem } dt { color: #5a6878 } dd { margin: 0 }
summary { display: grid; grid-template-columns: 10rem 5rem 11rem 5rem 1fr 12rem; gap: .5rem; align-items: center; cursor: pointer; padding: .15rem 0 }
details:not(.pass) > summary { display: list-item } summary i { color: #5a6878; font-style: normal } .size, .ms { text-align: right; font-variant-numeric: tabular-nums }
.unchanged { color: #93a0ae } .bars { display: block } .bar { display: block; height: 5px; border-radius: 2px; margin: 1px 0 } .before { background: #c3ccd6 } .after { background: #2f6fdb }
pre { background: #f5f7fa; padding: .75rem; overflow-x: auto; font: 12px/1.45 ui-monospace, monospace } .gone { color: #b3261e } .come { color: #16703a }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } td, th { padding: .15rem .9rem .15rem 0; text-align: right } td:first-child, th:first-child { text-align: left } th { color: #5a6878; font-weight: 500 }`

const page = (title: string, parts: readonly string[]): string =>
  `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeUTF8(title)}: passes</title><style>${style}</style></head><body>\n${parts.join('\n')}\n</body></html>\n`
