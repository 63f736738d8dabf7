/**
 * Does a pass keep what it promises to preserve? Before and after are compared, the cheapest way first that settles it: they are the same
 * text once regions are inlined; or they give the same numbers on the reference interpreter, for the same bits in the declared types, and
 * where rounding may differ in float64. What is not checked is said, and why.
 */
import { interpret, type Interpretation, type Mode } from '../ir/interpret.ts'
import { costOf } from '../ir/cost.ts'
import { findNode, liveOrder, typeOf } from '../ir/graph.ts'
import { elements, sameType, showType, type Graph, type Type } from '../ir/types.ts'
import { numberText, print } from '../ir/print.ts'
import { genericTarget } from '../ir/target.ts'
import { cse } from './cse.ts'
import { decomposeOps } from './decompose.ts'
import type { Preserves } from './pass.ts'
import { findGraph, graphSteps, type Program } from './program.ts'
import { generator, positiveVariables, randomFeeds, type RandomFeeds } from './random-feeds.ts'

/** Graphs with more work than this are not run: the interpreter is slow. */
export const checkedMultiplyAddsMax = 5e7

/**
 * Runs with other numbers each: few elements seldom reach all places where two ops part, 6 and 0 say, in one. As many as give the values
 * of the graph 64 elements each, within a fraction of a second.
 */
const drawsOf = (graph: Graph): number => {
  const sizes = liveOrder(graph).flatMap(({ types }) => types.map(({ shape }) => elements(shape)))
  const work = costOf(graph).multiplyAdds + sizes.reduce((sum, size) => sum + size, 0)
  const wanted = Math.ceil(64 / Math.max(1, Math.min(...sizes, 64)))
  return Math.max(1, Math.min(wanted, Math.floor(2e4 / Math.max(1, work))))
}

/** Relative to the largest result, float64 against float64: types do not round there, so half precision must agree as well. */
const tolerance = 1e-6

/** How the work of a pass on one step was judged. */
export interface Checked {
  /** whole: both graphs ran; structure: they are the same once regions are inlined and equal nodes merged; not: see `why`. */
  readonly how: 'whole' | 'structure' | 'not'
  readonly why: string
}

/** By step: how it was judged, and what differs, in one sentence; null where the pass kept its promise or was not judged. */
export interface MeaningCheck {
  readonly checked: ReadonlyMap<string, Checked>
  readonly difference: string | null
}

export interface MeaningOptions {
  readonly preserves: Preserves
  /** What the pipeline began with: it knows which variables are variances after the norms are taken apart. */
  readonly declared?: Program | undefined
  readonly seed?: number | undefined
}

/** Judges a pass by the programs before and after it. */
export const checkMeaning = (before: Program, after: Program, options: MeaningOptions): MeaningCheck => {
  const checked = new Map<string, Checked>()
  if (options.preserves === 'mode') {
    for (const { name } of graphSteps(after))
      checked.set(name, { how: 'not', why: 'the pass changes the meaning on purpose' })
    return { checked, difference: null }
  }
  const lost = graphSteps(before).find(({ name }) => findGraph(after, name) === undefined)
  if (lost !== undefined) return { checked, difference: `the step "${lost.name}" is gone` }
  for (const { name, graph, when } of graphSteps(after)) {
    const from = findGraph(before, name)
    if (from === undefined) {
      checked.set(name, { how: 'not', why: `the pass made this step; its values are judged where they are used` })
      continue
    }
    const difference = signatureDifference(from, graph)
    if (difference !== null) return { checked, difference }
    const judged = stepCheck(name, before, after, options)
    if (judged.difference !== null) return { checked, difference: judged.difference }
    checked.set(name, when.kind === 'stale' && from !== graph ? withReaders : judged.checked)
  }
  return { checked, difference: null }
}
const withReaders: Checked = { how: 'whole', why: 'with the steps that read its variables' }

/** What makes derived variables is part of what runs after it. */
const preparing = (program: Program): Graph | undefined =>
  graphSteps(program).find(({ when }) => when.kind === 'stale')?.graph

const stepCheck = (
  step: string,
  before: Program,
  after: Program,
  { preserves, declared = before, seed = 1 }: MeaningOptions,
): { readonly checked: Checked; readonly difference: string | null } => {
  const [from, to] = [findGraph(before, step) as Graph, findGraph(after, step) as Graph] // the caller found both
  const [first, second] = [preparing(before), preparing(after)]
  const settled = (how: Checked['how'], why: string, difference: string | null = null) => ({
    checked: { how, why },
    difference,
  })
  if (from === to && first === second) return settled('structure', 'unchanged')
  if (first === second && inlinedText(from) === inlinedText(to))
    return settled('structure', 'the same program once regions are inlined and equal nodes merged')
  const { multiplyAdds } = costOf(from)
  if (multiplyAdds > checkedMultiplyAddsMax)
    return settled(
      'not',
      `${Math.round(multiplyAdds / 1e6)} M multiply-adds are more than the ${checkedMultiplyAddsMax / 1e6} M that the interpreter runs`,
    )
  const mode: Mode = preserves === 'bits' ? 'declared' : 'float64'
  const graphs = [first ?? from, from]
  const positive = positiveVariables([...graphSteps(declared), ...graphSteps(before)].map(({ graph }) => graph))
  const next = generator(seed)
  let found: string | null = null
  for (let draw = 0; draw < drawsOf(from) && found === null; draw++) {
    const feeds = randomFeeds(graphs, positive, next)
    const [want, got] = [runPrepared(first, from, feeds, mode), runPrepared(second, to, feeds, mode)]
    found = numericDifference(want, got, preserves === 'bits')
  }
  return settled(
    'whole',
    `in ${mode} mode, ${preserves === 'bits' ? 'every bit' : `within ${tolerance} of the largest number`}`,
    found === null
      ? null
      : `${found} (seed ${seed}, ${mode} mode); the pass promises to keep ${preserves === 'bits' ? 'the bits' : preserves}`,
  )
}

/** The canonical text with every region inlined and equal nodes merged: fusions leave no trace in it. */
const inlinedText = (graph: Graph): string => {
  const cx = { target: genericTarget, report: () => {} }
  return print(cse.run(inlining.run(graph, cx), cx), { paths: false })
}
const inlining = decomposeOps(['fusion', 'composite'])

/** The same outputs and updates, of the same types: no pass that keeps results may add an update or drop one. */
const signatureDifference = (before: Graph, after: Graph): string | null => {
  if (before === after) return null
  for (const [what, was, is] of [
    ['output', outputTypes(before), outputTypes(after)],
    ['update of', updateTypes(before), updateTypes(after)],
  ] as const) {
    for (const [name, type] of was) {
      const now = is.get(name)
      if (now === undefined) return `the ${what} "${name}" is gone`
      if (!sameType(type, now)) return `the ${what} "${name}" was ${showType(type)} and is ${showType(now)}`
    }
    for (const name of is.keys()) if (!was.has(name)) return `there is an ${what} "${name}" that was not there before`
  }
  return null
}
const outputTypes = (graph: Graph): ReadonlyMap<string, Type> =>
  new Map(graph.outputs.map(({ name, value }) => [name, typeOf(graph, value)]))
const updateTypes = (graph: Graph): ReadonlyMap<string, Type> =>
  new Map(
    graph.updates.flatMap(({ variable, value }) => {
      const node = findNode(graph, variable)
      return node?.op === 'variable' ? [[node.attrs.name, typeOf(graph, value)] as const] : []
    }),
  )

/** The step that makes derived variables first, as an executable does. */
const runPrepared = (prepare: Graph | undefined, plan: Graph, feeds: RandomFeeds, mode: Mode): Interpretation => {
  const variables = new Map<string, Float64Array>(feeds.variables)
  if (prepare !== undefined) {
    for (const [name, tensor] of interpret(prepare, { variables, mode }).updates) variables.set(name, tensor.data)
  }
  return interpret(plan, { inputs: feeds.inputs, variables, mode })
}

const numericDifference = (want: Interpretation, got: Interpretation, isExact: boolean): string | null => {
  const all = [
    ...Object.entries(want.outputs).map(([name, was]) => ({ name, was, is: got.outputs[name] })),
    ...[...want.updates].map(([name, was]) => ({ name, was, is: got.updates.get(name) })),
  ]
  for (const { name, was, is } of all) {
    const other = is?.data ?? new Float64Array()
    const at = firstDifference(was.data, other, isExact)
    if (at !== null)
      return `${name}[${at}] was ${numberText(was.data[at] ?? Number.NaN)} and is ${numberText(other[at] ?? Number.NaN)}`
  }
  return null
}

const firstDifference = (want: Float64Array, got: Float64Array, isExact: boolean): number | null => {
  if (want.length !== got.length) return 0
  const scale = want.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1)
  const at = want.findIndex((w, i) => {
    const g = got[i] as number // equal lengths
    if (Object.is(w, g) || (Number.isNaN(w) && Number.isNaN(g))) return false
    return isExact || !(w === g || Math.abs(w - g) <= tolerance * scale)
  })
  return at < 0 ? null : at
}
