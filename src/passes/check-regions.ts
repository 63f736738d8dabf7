/**
 * Judges a pass on a graph that is too large to run, by regions. The changed part is cut out of the graphs before and after, and both parts run
 * on the same random operands. A pass may rely on how an operand is made, so the parts are extended towards the sources before a difference counts.
 */
import { costOf } from '../ir/cost.ts'
import { interpret, type Mode } from '../ir/interpret.ts'
import { nodeAt, refKey } from '../ir/graph.ts'
import { print } from '../ir/print.ts'
import type { Graph } from '../ir/types.ts'
import { numericDifference } from './compare-results.ts'
import { type Cone, coneOf, cutGraph } from './cut-graph.ts'
import { labelOf, type Pair, pairValues, type Pairing } from './paired-values.ts'
import { calmed, drawsOf, generator, randomFeeds } from './random-feeds.ts'

export interface RegionOptions {
  readonly isExact: boolean
  readonly mode: Mode
  /** Pair new nodes with the nodes they were made from: for passes that rewrite every node in another type. */
  readonly guess: boolean
  /** Variables whose square roots are taken. */
  readonly positive: ReadonlySet<string>
  readonly seed: number
}

export interface RegionCheck {
  /** Regions that agree. */
  readonly equal: number
  /** How many of them equal another region, and so ran only once. */
  readonly repeated: number
  /** Regions that were not judged, with reasons. */
  readonly unjudged: readonly string[]
  readonly difference: string | null
}

/** Steps towards the sources before a difference counts, unless the sources are reached earlier. */
const extensions = 3
/** A region with more multiply-adds is not run. */
const regionMultiplyAddsMax = 2e8

/** Compares before and after pair by pair, and ends with the first pair that differs. */
export const checkRegions = (before: Graph, after: Graph, options: RegionOptions): RegionCheck => {
  const pairing = pairValues(before, after, options.guess)
  const known = new Map<string, Comparison>()
  const unjudged: string[] = []
  const wrongGuesses: string[] = []
  let [equal, repeated] = [0, 0]
  const end = (difference: string | null): RegionCheck => ({ equal, repeated, unjudged, difference })
  for (const pair of pairing.pairs) {
    const found = judgePair(before, after, pair, pairing, options, known)
    if (found.kind === 'equal') {
      equal++
      if (found.isRepeated) repeated++
      wrongGuesses.length = 0
      continue
    }
    const { path, op } = nodeAt(before, pair.before.id)
    const place = path === '' ? op : `${path} (${op})`
    const difference =
      found.kind === 'different' ? `at ${place}, for random operands of the changed part, ${found.difference}` : null
    if (!pair.isGuess) {
      if (difference !== null) return end(difference)
      if (found.kind === 'unjudged') unjudged.push(`${place}: ${found.why}`)
      continue
    }
    pairing.before.delete(refKey(pair.before))
    pairing.after.delete(refKey(pair.after))
    if (difference !== null) wrongGuesses.push(difference)
    if (wrongGuesses.length === wrongGuessesMax) return end(wrongGuesses[0] ?? null)
  }
  return end(null)
}
/** Differing pairs in sequence, with no agreeing pair between them: then the guessed pairing is not the cause. */
const wrongGuessesMax = 4

type Judgement =
  | { readonly kind: 'equal'; readonly isRepeated: boolean }
  | { readonly kind: 'different'; readonly difference: string }
  | { readonly kind: 'unjudged'; readonly why: string }

const judgePair = (
  before: Graph,
  after: Graph,
  pair: Pair,
  pairing: Pairing,
  options: RegionOptions,
  known: Map<string, Comparison>,
): Judgement => {
  const opened = new Set([labelOf(pair.before, pair.after)])
  let last: Comparison | null = null
  for (let extension = 0; extension <= extensions; extension++) {
    const cones = [
      coneOf(before, pair.before, pairing.before, opened),
      coneOf(after, pair.after, pairing.after, opened),
    ] as const
    const found = compareParts(cones, options, known)
    if (found.kind === 'equal') return { kind: 'equal', isRepeated: found.isRepeated }
    // The region is too large now. The smaller region of the previous step did run, so its result is kept.
    if (found.kind === 'large') return extension < 2 ? { kind: 'unjudged', why: found.why } : judged(last)
    last = found
    const operands = cones.flatMap((cone) => [...cone.operands.values()])
    if (operands.length === 0) break
    for (const name of operands) opened.add(name)
  }
  return judged(last)
}
const judged = (found: Comparison | null): Judgement =>
  found?.kind === 'different' ? found : { kind: 'unjudged', why: 'no finite number comes out for random operands' }

type Comparison =
  | { readonly kind: 'equal'; readonly isRepeated: boolean }
  | { readonly kind: 'different'; readonly difference: string }
  /** No number is finite: nothing was compared. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'large'; readonly why: string }

/** Runs both parts on the same numbers. Parts that are equal except for names run once. */
const compareParts = (
  cones: readonly [Cone, Cone],
  { isExact, mode, positive, seed }: RegionOptions,
  known: Map<string, Comparison>,
): Comparison => {
  const rooted = new Set<string>()
  const names = new Map<string, string>()
  const sourceName = (kind: string, name: string): string => {
    const isPositive = kind === 'variable' && positive.has(name)
    const given = names.get(`${kind} ${name}`) ?? `${isPositive ? 'positive' : kind}${names.size}`
    names.set(`${kind} ${name}`, given)
    if (isPositive) rooted.add(given)
    return given
  }
  const [before, after] = [cutGraph(cones[0], sourceName), cutGraph(cones[1], sourceName)]
  const text = [before, after].map((graph) => print(graph, { paths: false }))
  const key = text.join('')
  const done = known.get(key)
  if (done !== undefined) return done.kind === 'equal' ? { kind: 'equal', isRepeated: true } : done
  const compared = ((): Comparison => {
    if (text[0] === text[1]) return { kind: 'equal', isRepeated: false }
    const { multiplyAdds } = costOf(before)
    if (multiplyAdds > regionMultiplyAddsMax)
      return { kind: 'large', why: `${Math.round(multiplyAdds / 1e6)} M multiply-adds are too many` }
    const next = generator(seed)
    let hasNumbers = false
    for (let draw = 0; draw < drawsOf(before); draw++) {
      const { inputs, variables } = calmed(randomFeeds([before, after], rooted, next), [before])
      const run = (graph: Graph) => interpret(graph, { inputs, variables, mode, seed })
      const [want, got] = [run(before), run(after)]
      const difference = numericDifference(want, got, isExact)
      if (difference !== null) return { kind: 'different', difference }
      hasNumbers ||= want.outputs['y']?.data.some(Number.isFinite) === true
    }
    return hasNumbers ? { kind: 'equal', isRepeated: false } : { kind: 'empty' }
  })()
  known.set(key, compared)
  return compared
}
