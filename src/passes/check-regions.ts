/**
 * Judges a pass on a graph that is too large to run, by regions. The changed part is cut out of the graphs before and after, and both parts run
 * on the same random operands. A pass may rely on how an operand is made, so the parts are extended towards the sources before a difference counts.
 * Of large parts that differ only in sizes, the smallest runs.
 */
import { costOf } from '../ir/cost.ts'
import { interpret, type Mode } from '../ir/interpret.ts'
import { nodeAt, refKey } from '../ir/graph.ts'
import { print } from '../ir/print.ts'
import type { Graph } from '../ir/types.ts'
import { numericDifference } from './compare-results.ts'
import { type Cone, coneOf, cutGraph } from './cut-graph.ts'
import { labelOf, type Pair, pairValues, type Pairing } from './paired-values.ts'
import { calmed, drawn, drawsOf, generator, randomFeeds } from './random-feeds.ts'
import { sizeClass } from './size-class.ts'

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
  /** How many of them did not run, because a region of the same ops in other sizes agrees. */
  readonly resized: number
  /** Regions that were not judged, with reasons. */
  readonly unjudged: readonly string[]
  readonly difference: string | null
}

/** Steps towards the sources before a difference counts, unless the sources are reached earlier. */
const extensions = 3
/** A region with more multiply-adds is not run. */
const regionMultiplyAddsMax = 2e8

/** Regions of more operations wait until all others have run, and do not run if one of the same ops in other sizes agrees. */
const operationsSmall = 1e6

/** Compares before and after pair by pair, and ends with the first pair that differs. */
export const checkRegions = (before: Graph, after: Graph, options: RegionOptions): RegionCheck => {
  const pairing = pairValues(before, after, options.guess)
  const regions = (pair: Pair) => extended(before, after, pair, pairing, options)
  const known: Known = { texts: new Map(), classes: new Set() }
  const unjudged: string[] = []
  const wrongGuesses: string[] = []
  const waiting: { readonly pair: Pair; readonly operations: number }[] = []
  let [equal, repeated, resized] = [0, 0, 0]
  const end = (difference: string | null): RegionCheck => ({ equal, repeated, resized, unjudged, difference })
  const count = ({ as }: { readonly as: As }): void => {
    equal++
    if (as === 'repeated') repeated++
    if (as === 'resized') resized++
  }
  const placeOf = ({ before: { id } }: Pair): string => {
    const { path, op } = nodeAt(before, id)
    return path === '' ? op : `${path} (${op})`
  }
  const differenceOf = (pair: Pair, found: Judgement): string | null =>
    found.kind === 'different'
      ? `at ${placeOf(pair)}, for random operands of the changed part, ${found.difference}`
      : null
  for (const pair of pairing.pairs) {
    // What comes out of a guess decides how the next pairs are cut out, so that it cannot wait.
    const all = replayed(regions(pair))
    const operations = pair.isGuess ? 0 : operationsToRun(all, known)
    if (operations > operationsSmall) {
      waiting.push({ pair, operations })
      continue
    }
    const found = judgePair(all, options, known)
    if (found.kind === 'equal') {
      count(found)
      wrongGuesses.length = 0
      continue
    }
    const difference = differenceOf(pair, found)
    if (!pair.isGuess) {
      if (difference !== null) return end(difference)
      if (found.kind === 'unjudged') unjudged.push(`${placeOf(pair)}: ${found.why}`)
      continue
    }
    pairing.before.delete(refKey(pair.before))
    pairing.after.delete(refKey(pair.after))
    if (difference !== null) wrongGuesses.push(difference)
    if (wrongGuesses.length === wrongGuessesMax) return end(wrongGuesses[0] ?? null)
  }
  for (const { pair } of waiting.sort((p, q) => p.operations - q.operations)) {
    const found = agreesInOtherSizes(regions(pair), known) ?? judgePair(regions(pair), options, known)
    if (found.kind === 'equal') count(found)
    else if (found.kind === 'different') return end(differenceOf(pair, found))
    else if (found.kind === 'unjudged') unjudged.push(`${placeOf(pair)}: ${found.why}`)
  }
  return end(null)
}
/** Differing pairs in sequence, with no agreeing pair between them: then the guessed pairing is not the cause. */
const wrongGuessesMax = 4

/** Whether the region ran; `repeated`: an equal region ran; `resized`: one of the same ops in other sizes ran. */
type As = 'ran' | 'repeated' | 'resized'

type Judgement =
  | { readonly kind: 'equal'; readonly as: As }
  | { readonly kind: 'different'; readonly difference: string }
  | { readonly kind: 'unjudged'; readonly why: string }

/** What was compared: by both texts, and the classes of sizes of those that agree. */
interface Known {
  readonly texts: Map<string, Comparison>
  readonly classes: Set<string>
}

/** The parts before and after a pass that compute a pair, with the same names for the same sources. */
interface Region {
  readonly before: Graph
  readonly after: Graph
  readonly text: string
  readonly isSame: boolean
  /** Variables whose square roots are taken. */
  readonly rooted: ReadonlySet<string>
}

/** The region of a pair, then extended step by step. */
function* extended(
  before: Graph,
  after: Graph,
  pair: Pair,
  pairing: Pairing,
  { positive }: RegionOptions,
): Generator<Region> {
  const opened = new Set([labelOf(pair.before, pair.after)])
  for (let extension = 0; extension <= extensions; extension++) {
    const cones = consistent(before, after, pair, pairing, opened)
    yield regionOf(cones, positive)
    const operands = cones.flatMap((cone) => [...cone.operands.values()])
    if (operands.length === 0) return
    for (const name of operands) opened.add(name)
  }
}

/**
 * The cones of a pair. If a node with several results is in one of them, then none of its results is an operand: the other side would get random numbers
 * for what this side computes, such as the mean of a batch norm. Adds what it opens to `opened`.
 */
const consistent = (
  before: Graph,
  after: Graph,
  pair: Pair,
  pairing: Pairing,
  opened: Set<string>,
): readonly [Cone, Cone] => {
  for (;;) {
    const cones = [
      coneOf(before, pair.before, pairing.before, opened),
      coneOf(after, pair.after, pairing.after, opened),
    ] as const
    const operands = new Set(cones.flatMap((cone) => [...cone.operands.values()]))
    const inside = [...computedIn(cones[0], pairing.before), ...computedIn(cones[1], pairing.after)]
    const again = inside.filter((label) => operands.has(label))
    if (again.length === 0) return cones
    for (const label of again) opened.add(label)
  }
}

/** The names of all results of the cone's nodes. */
const computedIn = ({ nodes }: Cone, labels: ReadonlyMap<number, string>): readonly string[] =>
  nodes.flatMap(({ id, types }) =>
    types.flatMap((_, port) => {
      const label = labels.get(refKey({ id, port }))
      return label === undefined ? [] : [label]
    }),
  )

/** Keeps what was drawn, so that it can be read again. */
const replayed = <T>(source: Iterator<T>): Iterable<T> => {
  const drawn: T[] = []
  return {
    *[Symbol.iterator]() {
      for (let at = 0; ; at++) {
        if (at === drawn.length) {
          const next = source.next()
          if (next.done === true) return
          drawn.push(next.value)
        }
        yield drawn[at] as T // it was drawn
      }
    },
  }
}

const regionOf = (cones: readonly [Cone, Cone], positive: ReadonlySet<string>): Region => {
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
  const [was, is] = [print(before), print(after)] // cut graphs have no paths
  return { before, after, text: was + is, isSame: was === is, rooted }
}

/** The operations of the region that is run first; 0 if none has to run. */
const operationsToRun = (regions: Iterable<Region>, known: Known): number => {
  for (const { before, text, isSame } of regions) {
    if (isSame || known.texts.has(text)) return 0
    const { multiplyAdds, operations } = costOf(before)
    return multiplyAdds + operations
  }
  return 0
}

const agreesInOtherSizes = (regions: Iterable<Region>, known: Known): Judgement | null => {
  for (const { text } of regions) {
    if (known.texts.get(text)?.kind === 'equal') return { kind: 'equal', as: 'repeated' }
    if (known.classes.has(sizeClass(text))) return { kind: 'equal', as: 'resized' }
  }
  return null
}

const judgePair = (regions: Iterable<Region>, options: RegionOptions, known: Known): Judgement => {
  let last: Comparison | null = null
  let extension = 0
  for (const region of regions) {
    const isRepeated = known.texts.has(region.text)
    const found = known.texts.get(region.text) ?? compareParts(region, options)
    known.texts.set(region.text, found)
    if (found.kind === 'equal') {
      known.classes.add(sizeClass(region.text))
      return { kind: 'equal', as: isRepeated ? 'repeated' : 'ran' }
    }
    // The region is too large now. The smaller region of the previous step did run, so its result is kept.
    if (found.kind === 'large') return extension < 2 ? { kind: 'unjudged', why: found.why } : judged(last)
    last = found
    extension++
  }
  return judged(last)
}
const judged = (found: Comparison | null): Judgement =>
  found?.kind === 'different' ? found : { kind: 'unjudged', why: 'no finite number comes out for random operands' }

type Comparison =
  | { readonly kind: 'equal' }
  | { readonly kind: 'different'; readonly difference: string }
  /** No number is finite: nothing was compared. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'large'; readonly why: string }

/** Runs both parts on the same numbers. */
const compareParts = (
  { before, after, isSame, rooted }: Region,
  { isExact, mode, seed }: RegionOptions,
): Comparison => {
  if (isSame) return { kind: 'equal' }
  const { multiplyAdds } = costOf(before)
  if (multiplyAdds > regionMultiplyAddsMax)
    return { kind: 'large', why: `${Math.round(multiplyAdds / 1e6)} M multiply-adds are too many` }
  const next = generator(seed)
  let hasNumbers = false
  const draw = () => calmed(randomFeeds([before, after], rooted, next), [before])
  for (const { inputs, variables } of drawn(drawsOf(before), [before, after], draw)) {
    const run = (graph: Graph) => interpret(graph, { inputs, variables, mode, seed })
    const [want, got] = [run(before), run(after)]
    const difference = numericDifference(want, got, isExact)
    if (difference !== null) return { kind: 'different', difference }
    hasNumbers ||= want.outputs['y']?.data.some(Number.isFinite) === true
  }
  return hasNumbers ? { kind: 'equal' } : { kind: 'empty' }
}
