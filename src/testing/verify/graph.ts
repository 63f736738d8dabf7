/** Verifies one graph or model on a backend: its passes, its kernels, and the whole program. */
import { type Backend, hostArrayOf } from '../../backends/backend.ts'
import { resultsOf } from '../../backends/conformance.ts'
import { epsilon } from '../../backends/tolerance.ts'
import { specsOf } from '../../executable/variable-spec.ts'
import { costOf } from '../../ir/cost.ts'
import { liveOrder, nodeAt, refKey } from '../../ir/graph.ts'
import { initialValues } from '../../ir/initializers.ts'
import { interpret, type Interpretation } from '../../ir/interpret.ts'
import type { Model } from '../../ir/model.ts'
import type { RefTensor } from '../../ir/op-def.ts'
import { opDef } from '../../ir/ops/index.ts'
import { print } from '../../ir/print.ts'
import { type Graph, isFloat, type Node } from '../../ir/types.ts'
import type { Stage } from '../../ir/verify.ts'
import { tolerance } from '../../passes/compare-results.ts'
import { cutGraph } from '../../passes/cut-graph.ts'
import type { Pass } from '../../passes/pass.ts'
import { inferencePipeline, type PipelineSwitches, trainingPipeline } from '../../passes/pipelines.ts'
import { graphOf, graphSteps, type Program, programOf } from '../../passes/program.ts'
import { printProgram } from '../../passes/program-text.ts'
import { runPasses } from '../../passes/run-pass.ts'
import { calmed, generator, positiveVariables, randomFeeds } from '../../passes/random-feeds.ts'
import { judgePass, passCounterexample } from '../../passes/shrink/pass-fault.ts'
import { stepOptionsOf } from '../../passes/train/step.ts'
import type { Trial } from '../trial.ts'
import { failureOfTrial, judgeTrial, smallestTrial } from './judge.ts'
import { Tally, type Verification, type VerifyOptions } from './report.ts'

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
/** The reference does not run larger graphs as a whole. */
const wholeMultiplyAddsMax = 5e8

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
  const { runs = 1, batch = 1 } = options
  const start = 'at' in given ? programOf(given.at({ batch }), given.name) : 'steps' in given ? given : programOf(given)
  const passes = options.passes ?? pipelineOf(given, backend, options.switches)
  const tally = new Tally(options)
  const judged: JudgedPart[] = []
  const program = verifyPasses(start, passes, backend, tally, judged, options)
  if (program === null || options.passes !== undefined) return { ...tally.result, judged }
  const kernels = kernelsOf(program)
  for (const [at, { name, node, part }] of kernels.entries()) {
    options.onPart?.(name, passes.length + at, passes.length + kernels.length)
    const { multiplyAdds } = costOf(part)
    if (multiplyAdds > kernelMultiplyAddsMax) {
      judged.push({ name, how: 'not', why: `${Math.round(multiplyAdds / 1e6)} M multiply-adds are too many` })
      continue
    }
    for (let run = 0; run < runs; run++) await verifyPart(backend, name, part, node, tally, run)
  }
  options.onPart?.('the whole graph', passes.length + kernels.length, passes.length + kernels.length)
  await verifyWhole(start, passes, backend, tally, judged)
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
      return null
    }
    program = judgement.after
  }
  return program
}

interface Kernel {
  readonly name: string
  readonly node: Node
  /** A graph of the node alone, with its operands as inputs or variables. */
  readonly part: Graph
}

/** The distinct kernels of the program. */
const kernelsOf = (program: Program): readonly Kernel[] => {
  const found = new Map<string, Kernel>()
  for (const { graph } of graphSteps(program)) {
    for (const node of liveOrder(graph)) {
      if (node.inputs.length === 0) continue
      node.types.forEach((_, port) => {
        const part = alone(graph, node, port)
        const text = print(part, { paths: false })
        const what = node.op === 'fusion' ? node.attrs.kind : node.op
        if (!found.has(text))
          found.set(text, { name: `kernel ${what}${node.path === '' ? '' : ` of ${node.path}`}`, node, part })
      })
    }
  }
  return [...found.values()]
}

/** A graph of one result of a node, with named operands. Variables stay variables, because backends store them packed; literals stay too. */
const alone = (graph: Graph, node: Node, port: number): Graph => {
  const names = new Map<string, string>()
  const nameOf = (kind: string, name: string): string => {
    const known = names.get(`${kind} ${name}`) ?? `${kind}${names.size}`
    names.set(`${kind} ${name}`, known)
    return known
  }
  const sources = new Set<Node>()
  const operands = new Map<number, string>()
  for (const ref of node.inputs) {
    const operand = nodeAt(graph, ref.id)
    if (operand.op === 'variable' || operand.op === 'constant' || operand.op === 'iota') sources.add(operand)
    else operands.set(refKey(ref), `${ref.id}.${ref.port}`)
  }
  return cutGraph({ graph, root: { id: node.id, port }, nodes: [...sources, node], operands }, nameOf)
}

const verifyPart = async (
  backend: Backend,
  name: string,
  part: Graph,
  { op }: Node,
  tally: Tally,
  run: number,
): Promise<void> => {
  tally.case()
  const feeds = calmed(randomFeeds([part], positiveVariables([part]), generator(tally.seed + run)), [part])
  const trial: Trial = {
    op,
    graphs: [part],
    rounds: [{ inputs: numbers(Object.entries(feeds.inputs)), variables: numbers(feeds.variables) }],
    isFused: false,
    tolerance: opDef(op).tolerance,
  }
  const judged = await judgeTrial(backend, trial)
  if (judged.isAccepted && typeof judged.error === 'number') {
    tally.accept(name, { error: judged.error, tolerance: judged.tolerance })
    return
  }
  const small = await smallestTrial(backend, trial)
  tally.failures.push(failureOfTrial(name, small, await judgeTrial(backend, small)))
}
const numbers = (list: Iterable<readonly [string, Float64Array]>): { readonly [name: string]: readonly number[] } =>
  Object.fromEntries([...list].map(([name, data]) => [name, [...data]]))

/** The tolerance as a multiple of the reference's own rounding error. It covers other orders of sums and other elementary functions. */
const wholeFactor = 64

/** Compares the whole compiled program with the reference. Finds faults of order, memory and cached operands. */
const verifyWhole = async (
  start: Program,
  passes: readonly Pass[],
  backend: Backend,
  tally: Tally,
  judged: JudgedPart[],
): Promise<void> => {
  const name = 'the whole graph'
  // The step `prepare` is a part of the run here.
  const program = runPasses(
    passes.filter((pass) => pass.name !== 'hoist-prepare'),
    start,
    { target: backend.target, declared: start, report: () => {} },
  )
  const skip = reasonAgainstWhole(program)
  if (skip !== null) {
    judged.push({ name, how: 'not', why: skip })
    return
  }
  tally.case()
  const final = graphOf(program)
  const next = generator(tally.seed)
  const { inputs } = randomFeeds([final], new Set(), next)
  const variables = nearInitial(final, tally.seed, next)
  const got = await resultsOf(backend, program, { inputs, variables: Object.fromEntries(variables) })
  const [exact, rounded] = [
    resultsByName(interpret(final, { inputs, variables, mode: 'float64' })),
    resultsByName(interpret(final, { inputs, variables })),
  ]
  judged.push({ name, how: 'whole', why: `within ${wholeFactor} times what rounding to the declared types loses` })
  for (const [result, want] of exact) {
    const near = rounded.get(result)?.data ?? want.data
    const largest = want.data.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1)
    const lost = largestDifference(want.data, near)
    const allowed = wholeFactor * Math.max(Number.isFinite(lost) ? lost : 0, epsilon[want.dtype] * largest)
    const error = largestDifference(want.data, got.get(result) ?? [])
    if (error <= allowed) tally.accept(name, { error, tolerance: allowed })
    else
      tally.failures.push({
        name: `${name}, result ${result}`,
        counterexample: { graph: print(final), inputs: numbers([...Object.entries(inputs), ...variables]) },
        error,
        tolerance: allowed,
      })
  }
}

/** Initial values, where all-zero and all-one variables are perturbed. Arbitrary random numbers would overflow in deep networks. */
const nearInitial = (graph: Graph, seed: number, next: () => number): ReadonlyMap<string, Float64Array> =>
  new Map(
    specsOf([graph]).map(({ name, type, init }) => {
      const isPlain = init.kind === 'zeros' || init.kind === 'ones'
      const first = initialValues(init, type.shape, { seed, name })
      const values = Array.from(first, (x) => (isPlain && isFloat(type.dtype) ? x + (next() - 0.5) / 2 : x))
      return [name, Float64Array.from(hostArrayOf(type.dtype, values))]
    }),
  )

const resultsByName = ({ outputs, updates }: Interpretation): ReadonlyMap<string, RefTensor> =>
  new Map([...updates, ...Object.entries(outputs)])

/** The largest difference. A number that overflows in one may be large in the other. */
const largestDifference = (want: Float64Array, got: ArrayLike<number>): number =>
  want.length !== got.length
    ? Infinity
    : want.reduce((most, x, i) => {
        const r = got[i] as number // equal lengths
        if (x === r || !Number.isFinite(x)) return most
        return Math.max(most, Number.isFinite(r) ? Math.abs(x - r) : Infinity)
      }, 0)

const reasonAgainstWhole = (program: Program): string | null => {
  if (program.steps.length > 1) return 'it runs in several steps: see its kernels'
  const { multiplyAdds } = costOf(graphOf(program))
  return multiplyAdds > wholeMultiplyAddsMax ? `${Math.round(multiplyAdds / 1e6)} M multiply-adds are too many` : null
}
