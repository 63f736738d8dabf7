/**
 * Does a pass keep what it promises to preserve? Both graphs run on the reference interpreter with random inputs and variables.
 * Judged by `preserves`: the same bits; or close, in float64, where rounding is all that may differ.
 */
import { interpret, type Interpretation } from '../ir/interpret.ts'
import { costOf } from '../ir/cost.ts'
import { nodesOf } from '../ir/graph.ts'
import { elements, type Graph, isFloat } from '../ir/types.ts'
import { numberText } from '../ir/print.ts'
import type { Preserves } from './pass.ts'
import { findGraph, graphSteps, type Program } from './program.ts'

/** Graphs with more work than this are not run: the interpreter is slow. */
export const checkedMultiplyAddsMax = 5e7

/** Relative to the largest result: float64 against float64 for `rounding`, half types for `precision`. */
const tolerances: { readonly [P in Exclude<Preserves, 'bits' | 'mode'>]: number } = { rounding: 1e-6, precision: 2e-2 }

/** What differs, in one sentence; null where the pass kept its promise, changes the meaning on purpose, or the graph is too large to run. */
export const meaningDifference = (before: Program, after: Program, preserves: Preserves, seed = 1): string | null => {
  if (preserves === 'mode') return null
  for (const { name } of graphSteps(before).filter(({ when }) => when.kind !== 'stale')) {
    const difference = stepDifference(name, before, after, preserves, seed)
    if (difference !== null) return difference
  }
  return null
}

/** What makes derived variables is part of what runs after it. */
const preparing = (program: Program): Graph | undefined =>
  graphSteps(program).find(({ when }) => when.kind === 'stale')?.graph

const stepDifference = (
  step: string,
  before: Program,
  after: Program,
  preserves: Exclude<Preserves, 'mode'>,
  seed: number,
): string | null => {
  const [from, to] = [findGraph(before, step), findGraph(after, step)]
  if (from === undefined || to === undefined || from === to) return null
  if (costOf(from).multiplyAdds > checkedMultiplyAddsMax) return null
  const mode = preserves === 'bits' ? 'declared' : 'float64'
  const feeds = randomFeeds(preparing(before) ?? from, from, seed)
  const want = runPrepared(preparing(before), from, feeds, mode)
  const got = runPrepared(preparing(after), to, feeds, mode)
  for (const [name, tensor] of [...Object.entries(want.outputs), ...want.updates]) {
    const other = got.outputs[name] ?? got.updates.get(name)
    const at = other === undefined ? 0 : firstDifference(tensor.data, other.data, preserves)
    if (at === null) continue
    return `${name}[${at}] was ${numberText(tensor.data[at] ?? Number.NaN)} and is ${other === undefined ? 'gone' : numberText(other.data[at] ?? Number.NaN)} (seed ${seed}, ${mode} mode); the pass promises to keep ${preserves === 'bits' ? 'the bits' : preserves}`
  }
  return null
}

interface RandomFeeds {
  readonly inputs: { readonly [name: string]: Float64Array }
  readonly variables: ReadonlyMap<string, Float64Array>
}

/** Numbers from a small generator: inputs of both signs below 2, variables from 1/4 to 2, since variances among them are positive. */
const randomFeeds = (first: Graph, second: Graph, seed: number): RandomFeeds => {
  let state = seed >>> 0
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) * 2 ** -24
  }
  const inputs: { [name: string]: Float64Array } = {}
  const variables = new Map<string, Float64Array>()
  for (const node of [...nodesOf(first), ...nodesOf(second)]) {
    const [type] = node.types
    if ((node.op !== 'input' && node.op !== 'variable') || type === undefined) continue
    const known = node.op === 'input' ? inputs[node.attrs.name] : variables.get(node.attrs.name)
    if (known !== undefined) continue
    const least = node.op === 'input' ? -2 : 0.25
    const draw = (): number =>
      isFloat(type.dtype)
        ? Math.round((least + (2 - least) * next()) * 64) / 64
        : Math.floor(next() * (type.dtype === 'bool' ? 2 : 4))
    const data = Float64Array.from({ length: elements(type.shape) }, draw)
    if (node.op === 'input') inputs[node.attrs.name] = data
    else variables.set(node.attrs.name, data)
  }
  return { inputs, variables }
}

/** `prepare` first, as an executable does. */
const runPrepared = (
  prepare: Graph | undefined,
  plan: Graph,
  feeds: RandomFeeds,
  mode: 'declared' | 'float64',
): Interpretation => {
  const variables = new Map<string, Float64Array>(feeds.variables)
  if (prepare !== undefined) {
    for (const [name, tensor] of interpret(prepare, { variables, mode }).updates) variables.set(name, tensor.data)
  }
  return interpret(plan, { inputs: feeds.inputs, variables, mode })
}

const firstDifference = (
  want: Float64Array,
  got: Float64Array,
  preserves: Exclude<Preserves, 'mode'>,
): number | null => {
  if (want.length !== got.length) return 0
  const scale = want.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1)
  const at = want.findIndex((w, i) => {
    const g = got[i] as number // equal lengths
    if (Object.is(w, g) || (Number.isNaN(w) && Number.isNaN(g))) return false
    if (preserves === 'bits') return true
    return !(w === g || Math.abs(w - g) <= tolerances[preserves] * scale)
  })
  return at < 0 ? null : at
}
