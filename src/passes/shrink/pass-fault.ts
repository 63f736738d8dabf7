/** Finds the fault of a pass on a graph, and the smallest graph and numbers that still show it. */
import { genericTarget, type TargetInfo } from '../../ir/target.ts'
import type { Graph } from '../../ir/types.ts'
import { type Stage, stages, verify } from '../../ir/verify.ts'
import { checkMeaning, type Checked, differenceFor, type Shown } from '../check-meaning.ts'
import type { Pass } from '../pass.ts'
import { graphSteps, type Program, programOf } from '../program.ts'
import type { RandomFeeds } from '../random-feeds.ts'
import { runPass, runPasses } from '../run-pass.ts'
import { type NamedNumbers, simplifying } from './shrink-feeds.ts'
import { shrinking } from './shrink-graph.ts'
import { smallest } from './search.ts'

export interface PassFaultOptions {
  readonly target?: TargetInfo | undefined
  /** Seed of the random inputs and variables (default 1). */
  readonly seed?: number | undefined
  /** The stage of the graph before the passes (default model). */
  readonly stage?: Stage | undefined
}

export interface PassFault {
  /** It threw, it returned a graph that is not well-formed, or it changed what the graph computes. */
  readonly kind: 'threw' | 'broken' | 'meaning'
  readonly message: string
  /** By step: how the meaning was judged. */
  readonly checked: ReadonlyMap<string, Checked>
  readonly evidence: { readonly before: Program; readonly after: Program; readonly shown: Shown } | null
}

/** The judgement of a pass. */
export interface PassJudgement {
  readonly fault: PassFault | null
  readonly checked: ReadonlyMap<string, Checked>
  /** The result of the pass; null if it cannot be used. */
  readonly after: Program | null
}

/** Judges the last pass; null if an earlier pass fails. */
export const judgeLastPass = (
  passes: readonly Pass[],
  start: Program,
  options: PassFaultOptions = {},
): PassJudgement | null => {
  const pass = passes.at(-1)
  if (pass === undefined) return null
  const { target = genericTarget, stage = 'model' } = options
  const first = passes.slice(0, -1)
  const before = orNull(() => runPasses(first, start, { target, declared: start, report: () => {} }))
  const reached = stages[Math.max(stages.indexOf(stage), ...first.map((p) => stages.indexOf(p.stage ?? stage)))]
  return before === null ? null : judgePass(pass, before, start, { ...options, stage: reached })
}

/** Judges a pass over a program; `declared` is the pipeline's input, `stage` its present stage. */
export const judgePass = (
  pass: Pass,
  before: Program,
  declared: Program,
  { target = genericTarget, seed, stage = 'model' }: PassFaultOptions = {},
): PassJudgement => {
  const found = (kind: PassFault['kind'], message: string, more: Partial<PassFault> = {}): PassJudgement => ({
    fault: { kind, message, checked: none, evidence: null, ...more },
    checked: none,
    after: null,
  })
  let after: Program
  try {
    after = runPass(pass, before, { target, declared, report: () => {} })
  } catch (error) {
    return found('threw', error instanceof Error ? error.message : String(error))
  }
  const reached = stages[Math.max(stages.indexOf(stage), stages.indexOf(pass.stage ?? stage))]
  for (const { graph } of graphSteps(after)) {
    const [first] = verify(graph, { stage: reached ?? stage })
    if (first !== undefined) return found('broken', `it left a graph that is not well-formed: ${first.message}`)
  }
  const { checked, difference, shown } = checkMeaning(before, after, { preserves: pass.preserves, declared, seed })
  if (difference === null) return { fault: null, checked, after }
  return found('meaning', difference, { checked, evidence: shown === null ? null : { before, after, shown } })
}
const none: ReadonlyMap<string, Checked> = new Map()

const orNull = <T>(make: () => T): T | null => {
  try {
    return make()
  } catch {
    return null // a candidate that an earlier pass rejects shows nothing about this pass
  }
}

/** The smallest graph that shows a fault of a pass, with the numbers for which it does. */
export interface PassCounterexample {
  readonly graph: Graph
  readonly message: string
  /** Empty if the fault does not depend on numbers, or if parts of a graph were judged separately. */
  readonly inputs: NamedNumbers
  readonly variables: NamedNumbers
}

/** Shrinks the graph while the last pass fails in the same way; null if it does not fail. */
export const passCounterexample = (
  passes: readonly Pass[],
  graph: Graph,
  options: PassFaultOptions = {},
): PassCounterexample | null => {
  const judge = (candidate: Graph) => judgeLastPass(passes, programOf(candidate), options)?.fault ?? null
  const first = judge(graph)
  if (first === null) return null
  const small = smallest(shrinking(graph), (candidate) => judge(candidate)?.kind === first.kind)
  const { message, evidence } = judge(small) ?? first
  return { graph: small, message, inputs: {}, variables: {}, ...(evidence === null ? {} : simplified(evidence)) }
}

/** The numbers that show the difference, with zeros and ones where they do not matter, and the difference for them. */
const simplified = ({ before, after, shown }: NonNullable<PassFault['evidence']>) => {
  const differs = (feeds: RandomFeeds): string | null => differenceFor(before, after, { ...shown, feeds })
  const whole = allNumbers(shown.feeds)
  const numbers = smallest(simplifying(whole), (candidate) => differs(feedsOf(candidate)) !== null)
  const feeds = feedsOf(numbers)
  const { inputs, variables } = feeds
  const message = differs(feeds)
  return {
    ...(message === null ? {} : { message }),
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, [...data]])),
    variables: Object.fromEntries([...variables].map(([name, data]) => [name, [...data]])),
  }
}

/** Inputs and variables with names that cannot collide. */
const allNumbers = ({ inputs, variables }: RandomFeeds): NamedNumbers =>
  Object.fromEntries([
    ...Object.entries(inputs).map(([name, data]) => [`input ${name}`, [...data]] as const),
    ...[...variables].map(([name, data]) => [`variable ${name}`, [...data]] as const),
  ])
const feedsOf = (numbers: NamedNumbers): RandomFeeds => {
  const named = (kind: string) =>
    Object.entries(numbers).flatMap(([name, data]) =>
      name.startsWith(kind) ? [[name.slice(kind.length), Float64Array.from(data)] as const] : [],
    )
  return { inputs: Object.fromEntries(named('input ')), variables: new Map(named('variable ')) }
}
