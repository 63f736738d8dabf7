/**
 * Runs a pipeline. It does the work that is common to all passes: verify, measure time, detect changes by identity, keep snapshots,
 * and write a reproducer when a pass fails.
 */
import { EffuseError } from '../ir/diagnostics.ts'
import { nodesOf } from '../ir/graph.ts'
import { numberText, print } from '../ir/print.ts'
import { findSideTables, noSideTables } from '../ir/side-tables.ts'
import { genericTarget, type TargetInfo } from '../ir/target.ts'
import type { Graph } from '../ir/types.ts'
import { type Stage, stages, verify } from '../ir/verify.ts'
import type { Checked } from './check-meaning.ts'
import { graphFault, programFault } from './check-result.ts'
import { passFailure, type Moment, type Reproducer, type Smaller } from './failure.ts'
import type { Judge } from './judge.ts'
import { type GraphPass, isProgramPass, type Pass, type PassContext, type ProgramPass } from './pass.ts'
import type { Pipeline } from './pipeline.ts'
import { findGraph, graphSteps, graphsOf, mainStep, mapGraphs, type Program, programError } from './program.ts'
import { verifyProgram } from './verify-program.ts'

export type { Checked } from './check-meaning.ts'
export type { Reproducer } from './failure.ts'

/** What one pass did to the graph of one step. */
export interface PassRecord {
  readonly name: string
  /** Position of the pass in its pipeline. */
  readonly at: number
  /** The step's name. */
  readonly plan: string
  /** The graph before; for a step that the pass made, the graph from which it was made. */
  readonly before: Graph
  readonly after: Graph
  readonly changed: boolean
  /** How `verify: true` judged that the pass kept its promise. */
  readonly checked: Checked
  /** Counts that the pass reported. */
  readonly report: { readonly [what: string]: number }
  /** Milliseconds in the pass itself. */
  readonly ms: number
}

export interface RunnerOptions {
  readonly target?: TargetInfo | undefined
  /** Verify after each pass: always in tests, elsewhere with EFFUSE_VERIFY=1. The final graphs are always verified. */
  readonly verify?: boolean | undefined
  /** Also compare each pass's before and after: `meaningJudge` (judge.ts). Default: they are not compared. */
  readonly judge?: Judge | undefined
  /** The stage of the program at the start (default model): for replays that begin in the middle. */
  readonly stage?: Stage | undefined
  /** Debug level and printing, from the EFFUSE_ variables (docs/debugging.md). */
  readonly debug?: DebugOptions | undefined
  /** Writes what a replay needs to a file; returns the file's name for the message. */
  readonly saveReproducer?: ((reproducer: Reproducer) => string | null) | undefined
  /** Names of the passes that `effuse opt` knows; absent: those of `passFactories`. */
  readonly replayable?: ReadonlySet<string> | undefined
  /** The name of the program's backend for the command that replays a failure. Absent: the command line has no such backend. */
  readonly backend?: string | undefined
  readonly now?: (() => number) | undefined
}

export interface DebugOptions {
  /** 1: a line per pass; 2: what the passes counted too. */
  readonly level: number
  /** Print the graph after these passes. */
  readonly printAfter: readonly string[]
  /** Keeps the text of each step's graph after each pass: a name such as `03-cse.run.ir`. */
  readonly saveGraph?: ((name: string, text: string) => void) | undefined
  readonly log: (line: string) => void
}

export interface PipelineResult {
  readonly program: Program
  readonly records: readonly PassRecord[]
}

/**
 * Runs the passes over the program, in order.
 * @throws EffuseError EF303 with the pass and the command that replays the failure. A pass's own EffuseError gets the same note.
 */
export const runPipeline = (pipeline: Pipeline, start: Program, options: RunnerOptions = {}): PipelineResult => {
  const records: PassRecord[] = []
  const runs: PassRun[] = []
  let program = start
  let stage = options.stage ?? 'model'
  for (const [at, pass] of pipeline.passes.entries()) {
    const moment: Moment = {
      pass,
      before: program,
      stage,
      begun: options.stage ?? 'model',
      earlier: pipeline.passes.slice(0, at),
      rest: pipeline.passes.slice(at),
      save: options.saveReproducer,
      replayable: options.replayable,
      backend: options.backend,
      isJudged: options.judge !== undefined,
    }
    const { after, counts, ms } = timed(moment, start, runs, options)
    program = after
    stage = laterStage(stage, pass.stage)
    const run: PassRun = { ...moment, after, stageAfter: stage }
    runs.push(run)
    if (options.verify === true) checkRun(run)
    const meaning =
      options.judge?.checkMeaning(moment.before, program, { preserves: pass.preserves, declared: start }) ?? null
    if (meaning !== null && meaning.difference !== null)
      throw passFailure(
        moment,
        { thrown: meaningChanged(meaning.difference, pass) },
        smallerProgram(start, pipeline.passes.slice(0, at + 1), options),
      )
    for (const record of recordsOf(run, { at, report: counts, ms }, meaning?.checked)) {
      records.push(record)
      trace(record, at, options.debug)
    }
  }
  checkEnd(runs)
  return { program, records }
}

/** A pass that has run. */
interface PassRun extends Moment {
  readonly after: Program
  readonly stageAfter: Stage
}

const recordsOf = (
  { pass, before, after }: PassRun,
  figures: Pick<PassRecord, 'at' | 'report' | 'ms'>,
  checked: ReadonlyMap<string, Checked> = new Map(),
): readonly PassRecord[] =>
  graphSteps(after).map(({ name: plan, graph }) => {
    const was = findGraph(before, plan) ?? findGraph(before, mainStep) ?? graph
    const state = { plan, before: was, after: graph, changed: graph !== was, checked: checked.get(plan) ?? unasked }
    return Object.freeze({ name: pass.name, ...figures, ...state })
  })

const unasked: Checked = Object.freeze({ how: 'not', why: 'not requested: compile with verify: true' })

/** A pass may move graphs to a later stage, never to an earlier one. */
const laterStage = (now: Stage, next: Stage | undefined): Stage =>
  stages[Math.max(stages.indexOf(now), stages.indexOf(next ?? now))] ?? now

/** The graphs after the last pass, by step, without steps that an earlier pass replaced. */
export const finalGraphs = (records: readonly PassRecord[]): ReadonlyMap<string, Graph> => {
  const last = records.at(-1)?.at
  return new Map(records.flatMap(({ at, plan, after }) => (at === last ? [[plan, after]] : [])))
}

/** The user's graph, shrunk as far as the last pass still changes what it computes; null if the program had several steps from the beginning. */
const smallerProgram = (
  start: Program,
  passes: readonly Pass[],
  { target, stage, judge }: RunnerOptions,
): Smaller | null => {
  const [only] = start.steps
  if (start.steps.length !== 1 || only?.kind !== 'graph') return null
  const found = judge?.passCounterexample(passes, only.graph, { target, stage }) ?? null
  if (found === null) return null
  const fed = [...Object.entries(found.inputs), ...Object.entries(found.variables)].map(
    ([name, numbers]) => `${name} = ${numbersShown(numbers)}`,
  )
  return {
    graph: found.graph,
    passes,
    shown: fed.length === 0 ? found.message : `${found.message}, for ${fed.join('; ')}`,
  }
}
const numbersShown = (numbers: readonly number[]): string => {
  const first = numbers.slice(0, 16).map(numberText)
  return `[${[...first, ...(numbers.length > first.length ? ['…'] : [])].join(', ')}]`
}

const meaningChanged = (difference: string, { preserves }: Pass): EffuseError =>
  new EffuseError({
    code: 'EF303',
    message: `it changed what the graph computes: ${difference}`,
    hint: `if the pass is meant to do so, declare it: preserves: 'mode' for another meaning${preserves === 'bits' ? ", 'rounding' for another order or formula" : ''}; see docs/debugging.md`,
  })

const timed = (
  moment: Moment,
  declared: Program,
  earlier: readonly PassRun[],
  options: RunnerOptions,
): { readonly after: Program; readonly counts: { readonly [what: string]: number }; readonly ms: number } => {
  const { pass, before } = moment
  const now = options.now ?? (() => performance.now())
  const counts = new Map<string, number>()
  const cx: PassContext = {
    target: options.target ?? genericTarget,
    declared,
    report: (what, count = 1) => {
      if (count !== 0) counts.set(what, (counts.get(what) ?? 0) + count)
    },
  }
  const begun = now()
  try {
    const after = isProgramPass(pass)
      ? programBy(pass, before, cx)
      : mapGraphs(before, (graph) => graphBy(pass, graph, cx))
    return { after, counts: Object.fromEntries(counts), ms: now() - begun }
  } catch (error) {
    // Such a graph may have a text of any length.
    if (error instanceof EffuseError && error.code === 'EF305') throw error
    // A pass may fail because of an earlier pass's result. Then the earlier pass is named.
    if (options.verify !== true) for (const run of earlier) checkRun(run)
    throw passFailure(moment, { thrown: error })
  }
}

/** The pass's result for the graph; the next pass receives only this. */
const graphBy = (pass: GraphPass, graph: Graph, cx: PassContext): Graph => {
  const after: unknown = pass.run(graph, cx)
  const fault = graphFault(after, graph)
  if (fault !== null) throw passGave(fault)
  return after as Graph // checked above
}
const programBy = (pass: ProgramPass, program: Program, cx: PassContext): Program => {
  const after: unknown = pass.runProgram(program, cx)
  const fault = programFault(after, program)
  if (fault !== null) throw passGave(fault)
  return after as Program // checked above
}
const passGave = (fault: string): EffuseError => new EffuseError({ code: 'EF303', message: `it gave ${fault}` })

/** Checks that everything the pass changed is well-formed at its present stage. */
const checkRun = (run: PassRun): void => {
  const { before, after, stage, stageAfter } = run
  for (const { name, graph } of graphSteps(after)) {
    if (graph === findGraph(before, name) && stage === stageAfter) continue
    const found = verify(graph, { stage: stageAfter })
    if (found.length > 0) throw passFailure(run, { found, broken: graph })
    if (findSideTables(graph) === null) throw passFailure(run, { thrown: noSideTables(graph) })
  }
  const [fault] = after === before ? [] : verifyProgram(after)
  if (fault !== undefined) throw passFailure(run, { thrown: programError(after, fault) })
}

/** If the result is not well-formed, names the first pass that left such a graph; the last pass if the pipeline's input was not well-formed. */
const checkEnd = (runs: readonly PassRun[]): void => {
  const last = runs.at(-1)
  if (last === undefined) return
  const { after, stageAfter } = last
  const found = graphSteps(after).map(({ graph }) => ({ broken: graph, found: verify(graph, { stage: stageAfter }) }))
  const broken = found.find((entry) => entry.found.length > 0)
  const bare = graphsOf(after).find((graph) => findSideTables(graph) === null)
  const [fault] = verifyProgram(after)
  if (broken === undefined && fault === undefined && bare === undefined) return
  for (const run of runs) checkRun(run)
  const thrown = bare === undefined ? programError(after, fault ?? '') : noSideTables(bare)
  throw passFailure(last, broken ?? { thrown })
}

const trace = (record: PassRecord, at: number, debug: DebugOptions | undefined): void => {
  if (debug === undefined) return
  debug.saveGraph?.(`${String(at).padStart(2, '0')}-${record.name}.${record.plan}.ir`, print(record.after))
  if (debug.level >= 1) {
    const sizes = `${nodesOf(record.before).length} -> ${nodesOf(record.after).length} nodes`
    debug.log(
      `${record.name.padEnd(24)} ${record.plan.padEnd(8)} ${sizes.padEnd(24)} ${record.ms.toFixed(1)} ms${record.changed ? '' : ' (unchanged)'}`,
    )
  }
  if (debug.level >= 2) for (const [what, count] of Object.entries(record.report)) debug.log(`    ${what}: ${count}`)
  if (debug.printAfter.includes(record.name))
    debug.log(`// after ${record.name}, step ${record.plan}\n${print(record.after)}`)
}
