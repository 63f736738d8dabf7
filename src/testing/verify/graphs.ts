/** Verifies a backend on random graphs: each is compiled by all passes and runs as a whole. */
import type { Backend, HostArray } from '../../backends/backend.ts'
import { resultsOf } from '../../backends/conformance.ts'
import type { ResultErrors } from '../../backends/propagated-errors.ts'
import { distance } from '../../backends/worst-element.ts'
import { roundingErrorsOf } from '../../backends/rounding-errors.ts'
import { liveOrder } from '../../ir/graph.ts'
import { interpret } from '../../ir/interpret.ts'
import type { RefTensor } from '../../ir/op-def.ts'
import { formats } from '../../ir/rounding.ts'
import { type Graph, isFloat } from '../../ir/types.ts'
import { hoists } from '../../passes/pass.ts'
import { graphOf, programOf } from '../../passes/program.ts'
import { calmed, generator, positiveVariables, randomFeeds } from '../../passes/random-feeds.ts'
import { runPasses } from '../../passes/run-pass.ts'
import { inferencePipeline, type PipelineSwitches } from '../../passes/standard-pipelines.ts'
import { type Arbitrary, fc } from '../fast-check.ts'
import { anyGraph, type GraphText } from '../graphs.ts'
import { numbersOf, type Trial } from '../trial.ts'
import { keepFailure, keptFailures, keptOf, trialOfKept } from './failure-store.ts'
import { failureOf, type Judged, smallestFailure } from './judge.ts'
import { refusedHalfTypes, useAny } from './refused-types.ts'
import { Tally, type Verification, type VerifyOptions } from './report.ts'

export interface VerifyGraphsOptions extends VerifyOptions {
  /** The graphs (default: anyGraph, without half types that the backend refuses). */
  readonly graphs?: Arbitrary<GraphText> | undefined
  /** The switches of compile(); default: simplify and fuse in full precision. */
  readonly switches?: PipelineSwitches | undefined
}

export interface GraphsVerification extends Verification {
  /** How many numbers were compared, and how many were not because rounding may change them without bound. */
  readonly numbers: { readonly compared: number; readonly unbounded: number }
}

/**
 * Compiles random graphs as compile() does, runs each on the backend, and compares all outputs and updates with the reference's for the graph before
 * the passes. The tolerance of each number is what roundings may change in it, in the graph before and after the passes (docs/verification.md).
 *
 * @example
 * const { failures, cases } = await verifyGraphs(referenceBackend(), { runs: 20, seed: 1 })
 */
export const verifyGraphs = async (
  backend: Backend,
  options: VerifyGraphsOptions = {},
): Promise<GraphsVerification> => {
  const { runs = 100, failures: folder, switches = { simplify: true, fusion: true } } = options
  const refused = new Set(refusedHalfTypes(backend))
  const { graphs = anyGraph().filter(({ graph }) => !useAny([graph], refused)) } = options
  const name = `graphs on ${backend.name}`
  const tally = new Tally(options)
  const numbers = { compared: 0, unbounded: 0 }
  const judge = (trial: Trial): Promise<JudgedGraph> => judgeGraph(backend, switches, trial)
  const isRight = async (trial: Trial): Promise<boolean> => {
    tally.case()
    const judged = await judge(trial)
    numbers.compared += judged.compared
    numbers.unbounded += judged.unbounded
    if (judged.isAccepted && typeof judged.error === 'number')
      tally.accept(name, { error: judged.error, tolerance: judged.tolerance })
    return judged.isAccepted
  }
  for (const kept of await keptFailures(folder, name)) {
    const trial = trialOfKept(kept)
    if (trial !== null && !(await isRight(trial)))
      tally.failures.push(failureOf(`${name}, kept`, { trial, judged: await judge(trial) }))
  }
  let last: Trial | null = null
  const check = await fc.check(
    fc.asyncProperty(graphs, fc.nat(2 ** 31), async ({ graph }, seed) => {
      const trial = trialWith(graph, seed)
      if (await isRight(trial)) return true
      last = trial
      return false
    }),
    { seed: tally.seed, numRuns: runs, endOnFailure: true },
  )
  const failed = last as Trial | null // set inside the property
  if (check.failed && failed !== null) {
    const small = await smallestFailure(judge, { trial: failed, judged: await judge(failed) })
    tally.failures.push(failureOf(name, small))
    keepFailure(folder, keptOf(name, small.trial))
  }
  return { ...tally.result, numbers }
}

const trialWith = (graph: Graph, seed: number): Trial => {
  const feeds = calmed(randomFeeds([graph], positiveVariables([graph]), generator(seed)), [graph])
  return {
    op: liveOrder(graph).at(-1)?.op ?? 'constant', // for the file of a failure: the graph is not judged by an op's tolerance
    graphs: [graph],
    rounds: [{ inputs: numbersOf(Object.entries(feeds.inputs)), variables: numbersOf(feeds.variables) }],
    isFused: true,
  }
}

interface JudgedGraph extends Judged {
  readonly compared: number
  readonly unbounded: number
}

const judgeGraph = async (
  backend: Backend,
  switches: PipelineSwitches,
  { graphs, rounds }: Trial,
): Promise<JudgedGraph> => {
  const [graph] = graphs
  const [round] = rounds
  if (graph === undefined || round === undefined) return nothing
  const { inputs } = round
  const variables = new Map(Object.entries(round.variables).map(([of, data]) => [of, Float64Array.from(data)]))
  try {
    // `to-inference` would drop the updates.
    const passes = inferencePipeline(backend, switches).passes.filter(
      (pass) => !hoists(pass) && (pass.name !== 'to-inference' || graph.updates.length === 0),
    )
    const start = programOf(graph)
    const program = runPasses(passes, start, { target: backend.target, declared: start, report: () => {} })
    const got = await resultsOf(backend, program, { inputs, variables: round.variables })
    const want = interpret(graph, { inputs, variables, mode: 'declared' })
    const bounds = [graph, graphOf(program)].map((each) =>
      roundingErrorsOf(each, { inputs, variables }, backend.target.exactOps),
    )
    const judge = (of: keyof ResultErrors, [name, tensor]: readonly [string, RefTensor]): JudgedGraph =>
      judgeResult(
        name,
        tensor,
        got.get(name),
        bounds.map((each) => each[of].get(name)),
      )
    return [
      ...Object.entries(want.outputs).map((result) => judge('outputs', result)),
      ...[...want.updates].map((result) => judge('updates', result)),
    ].reduce(
      (all, one) => ({
        ...(one.ratio > all.ratio ? one : all),
        compared: all.compared + one.compared,
        unbounded: all.unbounded + one.unbounded,
      }),
      nothing,
    )
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ...nothing, isAccepted: false, error: message, ratio: Infinity }
  }
}

const nothing: JudgedGraph = { isAccepted: true, error: 0, tolerance: 0, ratio: 0, compared: 0, unbounded: 0 }

/** Compares the numbers of one result. @param errors What roundings may change, in the graph before and after the passes. */
const judgeResult = (
  name: string,
  { data, dtype }: RefTensor,
  got: HostArray | undefined,
  errors: readonly (Float64Array | undefined)[],
): JudgedGraph => {
  if (got?.length !== data.length)
    throw new Error(`result ${name} has ${got?.length ?? 'no'} numbers, expected ${data.length}`)
  const most = isFloat(dtype) ? formats[dtype].max : Infinity
  let worst: Judged = nothing
  let unbounded = 0
  data.forEach((want, i) => {
    const tolerance = errors.reduce((sum, each) => sum + (each?.[i] ?? 0), 0)
    if (tolerance === Infinity || (Number.isFinite(want) && Math.abs(want) + tolerance > most)) {
      unbounded++
      return
    }
    const error = distance(want, got[i] as number) // equal lengths
    const ratio = error === 0 ? 0 : error / tolerance
    if (ratio > worst.ratio) worst = { isAccepted: ratio <= 1, error, tolerance, ratio }
  })
  return { ...worst, compared: data.length - unbounded, unbounded }
}
