/**
 * Does a pass preserve what it promises? Compares the graphs before and after it, with the cheapest sufficient method first. Either they have
 * the same text once regions are inlined. Or they give the same numbers on the reference interpreter: the same bits in the declared types, or,
 * where rounding may differ, equal numbers in float64. The result lists what was not checked, and why.
 */
import { interpret, type Interpretation, type Mode } from '../ir/interpret.ts'
import { costOf } from '../ir/cost.ts'
import { namedUpdates, typeOf } from '../ir/graph.ts'
import { sameType, showType, type Graph, type Type } from '../ir/types.ts'
import { print } from '../ir/print.ts'
import { genericTarget } from '../ir/target.ts'
import { checkRegions, type RegionCheck } from './check-regions.ts'
import { numericDifference, tolerance } from './compare-results.ts'
import { cse } from './cse.ts'
import { decomposeOps } from './decompose.ts'
import { inlineDerived } from './inline-derived.ts'
import type { Preserves } from './pass.ts'
import { findGraph, graphSteps, type Program } from './program.ts'
import { calmed, drawn, drawsOf, generator, positiveVariables, randomFeeds, type RandomFeeds } from './random-feeds.ts'

/** Graphs with more work than this run by regions, not as a whole, because the interpreter is slow. */
export const checkedMultiplyAddsMax = 5e7

/** How the work of a pass on one step was judged. */
export type Checked =
  /** whole: both graphs ran; structure: they are the same once regions are inlined and equal nodes merged; not: see `why`. */
  | { readonly how: 'whole' | 'structure' | 'not'; readonly why: string }
  /** The parts that the pass changed were cut out and run: how many agree, and how many could not be judged (`why` has the reasons). */
  | { readonly how: 'regions'; readonly why: string; readonly equal: number; readonly unjudged: number }

/** By step: how it was judged, and the difference in one sentence; null if the pass kept its promise or was not judged. */
export interface MeaningCheck {
  readonly checked: ReadonlyMap<string, Checked>
  readonly difference: string | null
  /** The numbers for which it differs, if whole graphs ran. */
  readonly shown: Shown | null
}

/** Numbers for which a step of a program has another result after a pass. */
export interface Shown {
  readonly step: string
  readonly feeds: RandomFeeds
  readonly mode: Mode
  readonly isExact: boolean
}

export interface MeaningOptions {
  readonly preserves: Preserves
  /** The pipeline's input. It shows which variables are variances, also after batch norms are decomposed. */
  readonly declared?: Program | undefined
  readonly seed?: number | undefined
}

/** Judges a pass by the programs before and after it. */
export const checkMeaning = (before: Program, after: Program, options: MeaningOptions): MeaningCheck => {
  const checked = new Map<string, Checked>()
  if (options.preserves === 'mode') {
    for (const { name } of graphSteps(after))
      checked.set(name, { how: 'not', why: 'the pass changes the meaning on purpose' })
    return { checked, difference: null, shown: null }
  }
  const lost = graphSteps(before).find(({ name }) => findGraph(after, name) === undefined)
  if (lost !== undefined) return { checked, difference: `the step "${lost.name}" is gone`, shown: null }
  const made: string[] = []
  for (const { name, graph, when } of graphSteps(after)) {
    const from = findGraph(before, name)
    if (from === undefined) {
      made.push(name)
      continue
    }
    const difference = signatureDifference(from, graph)
    if (difference !== null) return { checked, difference, shown: null }
    const judged = stepCheck(name, before, after, options)
    if (judged.difference !== null) return { ...judged, checked }
    checked.set(name, when.kind === 'stale' && from !== graph ? withReaders : judged.checked)
  }
  // The values of a step that the pass added are judged where they are used.
  const [user] = checked.values()
  for (const name of made)
    checked.set(name, user ?? { how: 'not', why: 'no step of before is left to compare it with' })
  return { checked, difference: null, shown: null }
}
const withReaders: Checked = { how: 'whole', why: 'with the steps that read its variables' }

/** A step that makes derived variables is judged as part of the step that runs after it. */
const preparing = (program: Program): Graph | undefined =>
  graphSteps(program).find(({ when }) => when.kind === 'stale')?.graph

interface StepCheck extends Omit<MeaningCheck, 'checked'> {
  readonly checked: Checked
}

const stepCheck = (
  step: string,
  before: Program,
  after: Program,
  { preserves, declared = before, seed = 1 }: MeaningOptions,
): StepCheck => {
  const [from, to] = [findGraph(before, step) as Graph, findGraph(after, step) as Graph] // the caller found both
  const [first, second] = [preparing(before), preparing(after)]
  const settled = (how: 'whole' | 'structure', why: string): StepCheck => ({
    checked: { how, why },
    difference: null,
    shown: null,
  })
  if (from === to && first === second) return settled('structure', 'unchanged')
  const [was, is] = from === first ? [from, to] : withDerived([first, from], [second, to])
  if ((from !== first || first === second) && inlinedText(was) === inlinedText(is))
    return settled('structure', 'the same program once regions are inlined and equal nodes merged')
  const { multiplyAdds } = costOf(from)
  const mode: Mode = preserves === 'bits' ? 'declared' : 'float64'
  const positive = positiveVariables([...graphSteps(declared), ...graphSteps(before)].map(({ graph }) => graph))
  const isExact = preserves === 'bits'
  const regions = (): StepCheck =>
    byRegions(checkRegions(was, is, { isExact, mode, guess: preserves === 'precision', positive, seed }), preserves)
  if (multiplyAdds > checkedMultiplyAddsMax) return regions()
  const graphs = [first ?? from, from]
  const next = generator(seed)
  const silent = new Set([...outputTypes(from).keys(), ...updateTypes(from).keys()])
  const draw = () => calmed(randomFeeds(graphs, positive, next), graphs)
  for (const feeds of drawn(drawsOf(from), graphs, draw)) {
    const shown: Shown = { step, feeds, mode, isExact }
    const found = differenceFor(before, after, shown, silent)
    if (found === null) continue
    const difference = `${found} (seed ${seed}, ${mode} mode); the pass promises to keep ${isExact ? 'the bits' : preserves}`
    return { checked: { how: 'whole', why: difference }, difference, shown }
  }
  // NaN equals NaN, so results without a number prove nothing.
  if (silent.size > 0) return regions()
  return settled('whole', `in ${mode} mode, ${isExact ? 'every bit' : `within ${tolerance} of the largest number`}`)
}

/**
 * The first number of a step that differs after a pass, for these inputs and variables; null if none differs. Removes the names of results with
 * a finite number from `silent`.
 */
export const differenceFor = (
  before: Program,
  after: Program,
  { step, feeds, mode, isExact }: Shown,
  silent?: Set<string>,
): string | null => {
  const run = (program: Program): Interpretation =>
    runPrepared(preparing(program), findGraph(program, step) as Graph, feeds, mode) // checkMeaning found the step
  const want = run(before)
  for (const [name, { data }] of [...Object.entries(want.outputs), ...want.updates])
    if (data.some(Number.isFinite)) silent?.delete(name)
  return numericDifference(want, run(after), isExact)
}

/** The values of derived variables are inlined into the graphs. */
const withDerived = (...sides: readonly (readonly [Graph | undefined, Graph])[]): readonly [Graph, Graph] => {
  const spare = Math.max(...sides.flat().map((graph) => graph?.nodes.length ?? 0))
  return sides.map(([prepare, run]) =>
    prepare === undefined ? run : inlineDerived(prepare, run, spare),
  ) as unknown as [Graph, Graph] // one for each side, of which there are two
}

const byRegions = (
  { equal, repeated, resized, unjudged, difference }: RegionCheck,
  preserves: Preserves,
): StepCheck => {
  const judged =
    `${equal} changed parts agree, ${repeated} of them repeat others` +
    (resized === 0 ? '' : `; ${resized} did not run, since the same ops in other sizes agree`)
  const rest = [...new Set(unjudged)].slice(0, reasonsShown)
  const more = unjudged.length > rest.length ? [`and ${unjudged.length - rest.length} more`] : []
  const why =
    unjudged.length === 0 ? judged : `${judged}; ${unjudged.length} were not judged: ${[...rest, ...more].join('; ')}`
  return {
    checked:
      equal === 0 && unjudged.length > 0
        ? { how: 'not', why }
        : { how: 'regions', why, equal, unjudged: unjudged.length },
    difference:
      difference === null
        ? null
        : `${difference}; the pass promises to keep ${preserves === 'bits' ? 'the bits' : preserves}`,
    shown: null,
  }
}
const reasonsShown = 3

/** The canonical text with every region inlined and equal nodes merged: fusions leave no trace in it. */
const inlinedText = (graph: Graph): string => {
  const cx = { target: genericTarget, report: () => {} }
  return print(cse.run(inlining.run(graph, cx), cx), { paths: false })
}
const inlining = decomposeOps(['fusion', 'composite'])

/** The same outputs and updates, with the same types: a pass that preserves results may neither add nor remove an update. */
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
  new Map(namedUpdates(graph).map(({ name, value }) => [name, typeOf(graph, value)]))

/** Runs the step that makes derived variables first, as an executable does. */
const runPrepared = (prepare: Graph | undefined, plan: Graph, feeds: RandomFeeds, mode: Mode): Interpretation => {
  const variables = new Map<string, Float64Array>(feeds.variables)
  if (prepare !== undefined) {
    for (const [name, tensor] of interpret(prepare, { variables, mode }).updates) variables.set(name, tensor.data)
  }
  return interpret(plan, { inputs: feeds.inputs, variables, mode })
}
