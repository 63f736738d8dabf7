/** Verifies one graph or model on a backend: its passes, its kernels, and the whole program. */
import type { Backend } from '../../backends/backend.ts'
import { costOf } from '../../ir/cost.ts'
import type { Model } from '../../ir/model.ts'
import { opDef } from '../../ir/ops/index.ts'
import { print } from '../../ir/print.ts'
import type { Graph, Node } from '../../ir/types.ts'
import type { Stage } from '../../ir/verify.ts'
import { tolerance } from '../../passes/compare-results.ts'
import { hoists, type Pass } from '../../passes/pass.ts'
import { passText } from '../../passes/pipeline.ts'
import { inferencePipeline, type PipelineSwitches, trainingPipeline } from '../../passes/standard-pipelines.ts'
import { type Program, programOf } from '../../passes/program.ts'
import { printProgram } from '../../passes/program-text.ts'
import { runPasses } from '../../passes/run-pass.ts'
import {
  calmed,
  drawn,
  generator,
  positiveVariables,
  type RandomFeeds,
  randomFeeds,
} from '../../passes/random-feeds.ts'
import { judgeLastPass, judgePass, passCounterexample } from '../../passes/shrink/pass-fault.ts'
import { stepOptionsOf } from '../../passes/train/declaration.ts'
import { numbersOf, type Trial } from '../trial.ts'
import { keepFailure, keptFailures, keptOf, trialOfKept } from './failure-store.ts'
import { failureOf, judgeTrial, smallestFailure } from './judge.ts'
import { kernelsOf } from './program-kernels.ts'
import { Tally, type Verification, type VerifyOptions } from './report.ts'
import { judgeWhole, reasonAgainstWhole, smallestWhole, wholeFactor, wholeTrial } from './whole.ts'

export interface VerifyGraphOptions extends VerifyOptions {
  /** The size of `batch` of a model (default 1). */
  readonly batch?: number | undefined
  /** Verify only these passes, instead of those of compile(). */
  readonly passes?: readonly Pass[] | undefined
  /** The stage of the graph before the passes (default model). */
  readonly stage?: Stage | undefined
  /** The switches of compile(); default: simplify and fuse in full precision. */
  readonly switches?: PipelineSwitches | undefined
  /** Called before each part with its name. */
  readonly onPart?: ((name: string, at: number, of: number) => void) | undefined
}

/** How a part was judged. */
export interface JudgedPart {
  readonly name: string
  readonly how: 'whole' | 'regions' | 'structure' | 'not'
  readonly why: string
}

export interface GraphVerification extends Verification {
  readonly judged: readonly JudgedPart[]
}

/** The reference does not run larger kernels. */
const kernelMultiplyAddsMax = 2e8

/**
 * Verifies a graph on a backend: each pass of its compilation, by what the pass preserves; each distinct kernel of the compiled program, against the
 * reference on random operands; and the whole program, if it is small enough.
 *
 * @example
 * const { failures, judged } = await verifyGraph(graph('g', { x: float32(4) }, ({ x }) => ({ y: relu(x) })), referenceBackend())
 */
export const verifyGraph = async (
  given: Graph | Model | Program,
  backend: Backend,
  options: VerifyGraphOptions = {},
): Promise<GraphVerification> => {
  const { runs = 1, batch = 1, failures } = options
  const start = 'at' in given ? programOf(given.at({ batch }), given.name) : 'steps' in given ? given : programOf(given)
  const passes = options.passes ?? pipelineOf(given, backend, options.switches)
  const tally = new Tally(options)
  const judged: JudgedPart[] = []
  const kept: Kept = { folder: failures, name: `graph ${start.name} on ${backend.name}` }
  await tryKept(kept, { passes, backend, tally, stage: options.stage, program: start.name })
  const program = verifyPasses(start, passes, backend, tally, judged, kept, options)
  if (program === null || options.passes !== undefined) return { ...tally.result, judged }
  const kernels = kernelsOf(program)
  for (const [at, { name, node, part }] of kernels.entries()) {
    options.onPart?.(name, passes.length + at, passes.length + kernels.length)
    const { multiplyAdds } = costOf(part)
    if (multiplyAdds > kernelMultiplyAddsMax) {
      judged.push({ name, how: 'not', why: `${Math.round(multiplyAdds / 1e6)} M multiply-adds are too many` })
      continue
    }
    for (let run = 0; run < runs; run++) await verifyPart(backend, name, part, node, tally, run, kept)
  }
  options.onPart?.('the whole graph', passes.length + kernels.length, passes.length + kernels.length)
  await verifyWhole(start, passes, backend, tally, judged, kept)
  return { ...tally.result, judged }
}

const pipelineOf = (
  given: Graph | Model | Program,
  backend: Backend,
  switches: PipelineSwitches = { simplify: true, fusion: true },
): readonly Pass[] => {
  const training = 'at' in given ? stepOptionsOf(given) : null
  return (training === null ? inferencePipeline(backend, switches) : trainingPipeline(backend, switches, training))
    .passes
}

/** The program after the passes; null if one of them is wrong. */
const verifyPasses = (
  start: Program,
  passes: readonly Pass[],
  { target }: Backend,
  tally: Tally,
  judged: JudgedPart[],
  kept: Kept,
  { onPart, stage: first }: VerifyGraphOptions,
): Program | null => {
  let program = start
  for (const [at, pass] of passes.entries()) {
    const name = `pass ${pass.name}`
    onPart?.(name, at, passes.length)
    tally.case()
    const stage = passes.slice(0, at).findLast((earlier) => earlier.stage !== undefined)?.stage ?? first
    const judgement = judgePass(pass, program, start, { target, seed: tally.seed, stage })
    for (const [step, { how, why }] of judgement.checked) judged.push({ name: `${name} (${step})`, how, why })
    if (judgement.after === null) {
      const [only] = start.steps
      const isOne = start.steps.length === 1 && only?.kind === 'graph'
      const options = { target, seed: tally.seed, stage: first }
      const found = isOne ? passCounterexample(passes.slice(0, at + 1), only.graph, options) : null
      const graph = found === null ? printProgram(program) : print(found.graph)
      tally.failures.push({
        name,
        counterexample: { graph, inputs: { ...found?.inputs, ...found?.variables } },
        error: found?.message ?? judgement.fault?.message ?? '',
        tolerance: pass.preserves === 'bits' ? 0 : tolerance,
      })
      if (found !== null)
        keepFailure(kept.folder, {
          name: kept.name,
          graphs: [found.graph],
          rounds: [{ inputs: found.inputs, variables: found.variables }],
          more: { part: name, pass: passText(pass), seed: tally.seed },
        })
      return null
    }
    program = judgement.after
  }
  return program
}

const verifyPart = async (
  backend: Backend,
  name: string,
  part: Graph,
  { op }: Node,
  tally: Tally,
  run: number,
  kept: Kept,
): Promise<void> => {
  const draw = () => calmed(randomFeeds([part], positiveVariables([part]), generator(tally.seed + run)), [part])
  for (const feeds of drawn(1, [part], draw))
    if (!(await verifyPartOn(feeds, backend, name, part, { op }, tally, kept))) return
}

/** False if it failed. */
const verifyPartOn = async (
  feeds: RandomFeeds,
  backend: Backend,
  name: string,
  part: Graph,
  { op }: Pick<Node, 'op'>,
  tally: Tally,
  kept: Kept,
): Promise<boolean> => {
  tally.case()
  const kind = { op, graphs: [part], isFused: false, tolerance: opDef(op).tolerance }
  const judged = await judgeTrial(backend, {
    ...kind,
    rounds: [{ inputs: feeds.inputs, variables: Object.fromEntries(feeds.variables) }],
  })
  if (judged.isAccepted && typeof judged.error === 'number') {
    tally.accept(name, { error: judged.error, tolerance: judged.tolerance })
    return true
  }
  const rounds = [{ inputs: numbersOf(Object.entries(feeds.inputs)), variables: numbersOf(feeds.variables) }]
  const trial: Trial = { ...kind, rounds }
  const failed = await smallestFailure((candidate) => judgeTrial(backend, candidate), { trial, judged })
  tally.failures.push(failureOf(name, failed))
  keepFailure(kept.folder, keptOf(kept.name, failed.trial, { part: name }))
  return false
}

const wholeName = 'the whole graph'

const verifyWhole = async (
  start: Program,
  passes: readonly Pass[],
  backend: Backend,
  tally: Tally,
  judged: JudgedPart[],
  kept: Kept,
): Promise<void> => {
  const program = runPasses(
    passes.filter((pass) => !hoists(pass)),
    start,
    { target: backend.target, declared: start, report: () => {} },
  )
  const skip = reasonAgainstWhole(program)
  if (skip !== null) {
    judged.push({ name: wholeName, how: 'not', why: skip })
    return
  }
  tally.case()
  const trial = wholeTrial(program, tally.seed)
  const found = await judgeWhole(backend, start.name, trial)
  judged.push({
    name: wholeName,
    how: 'whole',
    why: `within ${wholeFactor} times what rounding to the declared types loses`,
  })
  if (found.isAccepted) {
    if (typeof found.error === 'number') tally.accept(wholeName, { error: found.error, tolerance: found.tolerance })
    return
  }
  const small = await smallestWhole(backend, start.name, { trial, judged: found })
  tally.failures.push(failureOf(`${wholeName}${found.result === '' ? '' : `, result ${found.result}`}`, small))
  keepFailure(kept.folder, keptOf(kept.name, small.trial, { part: wholeName }))
}

/** Where failures of this graph are stored, and their name. */
interface Kept {
  readonly folder: string | undefined
  readonly name: string
}

/** Tries the stored failures of the graph first. */
const tryKept = async (
  { folder, name }: Kept,
  {
    passes,
    backend,
    tally,
    stage,
    program,
  }: {
    readonly passes: readonly Pass[]
    readonly backend: Backend
    readonly tally: Tally
    readonly stage: Stage | undefined
    readonly program: string
  },
): Promise<void> => {
  for (const kept of await keptFailures(folder, name)) {
    const { part, pass: text, seed } = kept.more
    const trial = trialOfKept(kept)
    if (trial !== null) {
      tally.case()
      const judged = await (part === wholeName ? judgeWhole(backend, program, trial) : judgeTrial(backend, trial))
      if (!judged.isAccepted) tally.failures.push(failureOf(`${part}, kept`, { trial, judged }))
      continue
    }
    const at = passes.findIndex((pass) => passText(pass) === text)
    const [graph] = kept.graphs
    if (at < 0 || graph === undefined) continue
    tally.case()
    const options = { target: backend.target, seed: typeof seed === 'number' ? seed : tally.seed, stage }
    const fault = judgeLastPass(passes.slice(0, at + 1), programOf(graph), options)?.fault
    if (fault == null) continue
    const { inputs, variables } = kept.rounds[0] ?? { inputs: {}, variables: {} }
    tally.failures.push({
      name: `${part}, kept`,
      counterexample: { graph: print(graph), inputs: { ...inputs, ...variables } },
      error: fault.message,
      tolerance: passes[at]?.preserves === 'bits' ? 0 : tolerance,
    })
  }
}
