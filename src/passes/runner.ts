/**
 * Runs a pipeline. What every pass needs is done here, not in the passes: verify, time, tell change by identity, keep snapshots,
 * and write a reproducer when a pass fails.
 */
import { EffuseError, type Diagnostic } from '../ir/diagnostics.ts'
import { nodesOf } from '../ir/graph.ts'
import { print } from '../ir/print.ts'
import { genericTarget, type TargetInfo } from '../ir/target.ts'
import type { Graph } from '../ir/types.ts'
import { describeDiagnostic, type Stage, verify } from '../ir/verify.ts'
import { meaningDifference } from './check-meaning.ts'
import { isProgramPass, type Pass, type PassContext } from './pass.ts'
import { passText, type Pipeline } from './pipeline.ts'
import { findGraph, graphSteps, mainStep, mapGraphs, type Program, programError } from './program.ts'
import { printProgram } from './program-text.ts'
import { verifyProgram } from './verify-program.ts'

/** What one pass did to the graph of one step. */
export interface PassRecord {
  readonly name: string
  /** Position of the pass in its pipeline. */
  readonly at: number
  /** The step's name. */
  readonly plan: string
  /** The graph before; for a step that the pass made, the one it was made from. */
  readonly before: Graph
  readonly after: Graph
  readonly changed: boolean
  /** Counts that the pass reported. */
  readonly report: { readonly [what: string]: number }
  /** Milliseconds in the pass itself. */
  readonly ms: number
}

export interface RunnerOptions {
  readonly target?: TargetInfo | undefined
  /** Verify after each pass: always in tests, by EFFUSE_VERIFY=1 elsewhere. The last graphs are verified in any case. */
  readonly verify?: boolean | undefined
  /** Also run each pass's before and after on the reference interpreter; see check-meaning.ts. */
  readonly checkMeaning?: boolean | undefined
  /** Debug level and printing, from the EFFUSE_ variables (docs/debugging.md). */
  readonly debug?: DebugOptions | undefined
  /** Keeps what is needed to replay a failure; gives the file's name for the message. */
  readonly saveReproducer?: ((reproducer: Reproducer) => string | null) | undefined
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

/** The program before the failing pass, in text, and the passes still to run. */
export interface Reproducer {
  readonly program: string
  readonly passes: string
}

export interface PipelineResult {
  readonly program: Program
  readonly records: readonly PassRecord[]
}

/**
 * Runs the passes over the program, in order.
 * @throws EffuseError EF303 naming the pass, with the command that replays the failure; a pass's own EffuseError passes through with the same note.
 */
export const runPipeline = (pipeline: Pipeline, start: Program, options: RunnerOptions = {}): PipelineResult => {
  const records: PassRecord[] = []
  let program = start
  for (const [at, pass] of pipeline.passes.entries()) {
    const rest = pipeline.passes.slice(at)
    const before = program
    const { after, counts, ms } = timed(pass, before, start, rest, options)
    program = after
    if (options.verify === true || at === pipeline.passes.length - 1) checkProgram(pass, before, program, rest, options)
    if (options.checkMeaning === true) {
      const difference = meaningDifference(before, program, pass.preserves)
      if (difference !== null) throw failure(pass, before, rest, options, null, new MeaningChanged(difference))
    }
    for (const { name: plan, graph } of graphSteps(program)) {
      const was = findGraph(before, plan) ?? findGraph(before, mainStep) ?? graph
      const record = {
        name: pass.name,
        at,
        plan,
        before: was,
        after: graph,
        changed: graph !== was,
        report: counts,
        ms,
      }
      records.push(Object.freeze(record))
      trace(record, at, options.debug)
    }
  }
  return { program, records }
}

/** The graphs that the last pass left, by step: those that an earlier pass made others of are gone. */
export const finalGraphs = (records: readonly PassRecord[]): ReadonlyMap<string, Graph> => {
  const last = records.at(-1)?.at
  return new Map(records.flatMap(({ at, plan, after }) => (at === last ? [[plan, after]] : [])))
}

/** Carries the difference to the message. */
class MeaningChanged extends Error {
  override readonly name = 'it changed what the graph computes'
}

const timed = (
  pass: Pass,
  program: Program,
  declared: Program,
  rest: readonly Pass[],
  options: RunnerOptions,
): { readonly after: Program; readonly counts: { readonly [what: string]: number }; readonly ms: number } => {
  const now = options.now ?? (() => performance.now())
  const counts: { [what: string]: number } = {}
  const cx: PassContext = {
    target: options.target ?? genericTarget,
    declared,
    report: (what, count = 1) => {
      if (count !== 0) counts[what] = (counts[what] ?? 0) + count
    },
  }
  const begun = now()
  try {
    const after = isProgramPass(pass)
      ? pass.runProgram(program, cx)
      : mapGraphs(program, (graph) => pass.run(graph, cx))
    return { after, counts, ms: now() - begun }
  } catch (error) {
    throw failure(pass, program, rest, options, error instanceof EffuseError ? error : null, error)
  }
}

const checkProgram = (
  pass: Pass,
  before: Program,
  program: Program,
  rest: readonly Pass[],
  options: RunnerOptions,
): void => {
  for (const { name, graph } of graphSteps(program)) {
    if (graph === findGraph(before, name) && !isLast(rest)) continue
    const found = verify(graph, { stage: stageOf(pass) })
    if (found.length > 0) throw failure(pass, before, rest, options, null, null, found, graph)
  }
  const [fault] = program === before ? [] : verifyProgram(program)
  if (fault !== undefined) throw failure(pass, before, rest, options, programError(program, fault), null)
}
const isLast = (rest: readonly Pass[]): boolean => rest.length === 1
/** Before the mode is chosen, graphs may hold model-form ops. */
const stageOf = (pass: Pass): Stage =>
  pass.phase === 'build' && pass.preserves !== 'mode' ? 'model' : pass.phase === 'build' ? 'tensor' : 'model'

const failure = (
  pass: Pass,
  program: Program,
  rest: readonly Pass[],
  options: RunnerOptions,
  known: EffuseError | null,
  cause: unknown,
  found: readonly Diagnostic[] = [],
  broken: Graph | null = null,
): EffuseError => {
  const reproducer: Reproducer = {
    program: printProgram(program),
    passes: rest.map(passText).join(','),
  }
  const file = options.saveReproducer?.(reproducer) ?? null
  const replay =
    file === null
      ? `to replay: effuse opt GRAPH.ir --passes '${reproducer.passes}'`
      : `to replay: effuse opt ${file} --passes '${reproducer.passes}'`
  const [first] = found
  const what =
    known?.message ??
    (first === undefined
      ? cause instanceof Error
        ? `${cause.name}: ${cause.message}`
        : String(cause)
      : `it left a graph that is not well-formed: ${broken === null ? first.message : describeDiagnostic(broken, first)}`)
  return new EffuseError({
    code: known?.code ?? 'EF303',
    path: known?.path ?? first?.path,
    hint: known?.hint ?? 'see docs/debugging.md',
    cause,
    diagnostics: known?.diagnostics ?? found,
    message: `pass '${pass.name}': ${what}\n  ${replay}`,
  })
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
