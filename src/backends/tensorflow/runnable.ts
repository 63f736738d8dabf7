/** Runs lowered programs. Each graph is one call of a function. */
import { nextTurn } from '#platform'
import { EffuseError, invariant } from '../../ir/diagnostics.ts'
import { showType, type Type } from '../../ir/types.ts'
import { type GraphStep, graphSteps, type Program } from '../../passes/program.ts'
import {
  type CompileContext,
  type DeviceTensor,
  type FeedTensor,
  type ProfileRow,
  type RunContext,
  type Runnable,
  type StoreTurn,
  stepsOfRun,
} from '../backend.ts'
import { crossingTypes, runSteps, type StepOperands, type StepResults } from '../common/run-steps.ts'
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import { TensorflowFailure, errorOf, withErrors } from './errors.ts'
import { type LoweredGraph, lowerGraph, type LowerOptions, type Operand } from './lower-graph.ts'
import { type Mode, modeGate } from './modes.ts'
import { profileRows } from './profile-rows.ts'
import { tracedCall } from './traced-call.ts'
import { FilterKeeper } from './filter-keeper.ts'
import type { OneThreadContext } from './one-thread-context.ts'
import { type Split, splitOf } from './split-graph.ts'
import { deviceTensor, held, tensorflowMemory, type TfTensor } from './memory.ts'

type Feeds = ReadonlyMap<string, FeedTensor<TfTensor>>

/** A graph whose function is in the context. */
interface Bound extends LoweredGraph {
  /** The handles of the operands of kind 'constant', by their position among the operands. */
  readonly constants: ReadonlyMap<number, Pointer>
  /** Null if the graph has one form only. */
  readonly keeper: FilterKeeper | null
  readonly split: Split | null
}

/** One context has the functions of all programs, so their names are numbered. */
let functionCount = 0

export interface RunnableOptions extends LowerOptions {
  readonly mode: Mode
  readonly notes: readonly string[]
  /** Absent: batches are never split. */
  readonly oneThread?: OneThreadContext | undefined
}

/** Lowers all graphs of the program. @throws EffuseError EF405 */
export const makeRunnable = (
  program: Program,
  cx: CompileContext,
  context: TensorflowContext,
  options: RunnableOptions,
): Runnable<TfTensor> => {
  const memory = tensorflowMemory(context)
  const bound = new Map<string, Bound>()
  const dispose = (): void => {
    for (const step of bound.values()) unbind(step, context)
    bound.clear()
  }
  try {
    const steps = graphSteps(program)
    for (const [done, { name, graph }] of steps.entries()) {
      cx.signal?.throwIfAborted()
      bound.set(name, bind(lowerGraph(graph, `effuse_${functionCount++}`, options), context, options))
      cx.onProgress?.({ stage: 'lower', done: done + 1, total: steps.length })
    }
  } catch (error) {
    dispose()
    throw error
  }
  const crossing = crossingTypes(program)
  const runWith = async (
    turn: StoreTurn<TfTensor>,
    steps: readonly string[],
    feeds: Feeds,
    at: RunContext,
    onProfile: Call['onProfile'],
  ): Promise<ReadonlyMap<string, DeviceTensor<TfTensor>>> => {
    const types = new Map<string, Type>()
    const runGraph = ({ name }: GraphStep, operands: StepOperands<TfTensor>): Promise<StepResults<TfTensor>> => {
      const step = bound.get(name)
      invariant(step !== undefined, () => `the program ${program.name} has no step "${name}", or was disposed of`)
      for (const { name: output, type } of step.outputs) types.set(output, type)
      return call(step, { context, at, feeds, crossing, operands, options, onProfile })
    }
    const results = await runSteps({ program, steps, turn, at, memory, nameOf: cx.nameOf, runGraph })
    // The types are set above.
    return new Map([...results].map(([name, value]) => [name, deviceTensor(value, types.get(name) as Type, context)]))
  }
  const kernels = stepsOfRun(program).reduce((sum, { name }) => sum + computingNodes(bound.get(name)), 0)
  return {
    run: (turn, steps, feeds, at) => runWith(turn, steps, feeds, at, null),
    notes: [...options.notes, ...[...bound.values()].flatMap(({ split }) => (split === null ? [] : [split.note]))],
    plan: { kernels, dispatches: stepsOfRun(program).length, peakBytes: null, arenaBytes: null, lowerBoundBytes: null },
    profile: async (turn, steps, feeds, at) => {
      const rows: ProfileRow[] = []
      const results = await runWith(turn, steps, feeds, at, (more) => rows.push(...more))
      for (const tensor of results.values()) tensor.dispose()
      return rows
    },
    dispose,
  }
}

/**
 * The nodes that compute something, as effuse passes them to TensorFlow. TensorFlow's optimiser and XLA fuse, merge, fold and add nodes, so the number of
 * kernels that run is another one; profile() has them.
 */
const computingNodes = (step: Bound | undefined): number =>
  (step?.functions ?? []).reduce((sum, { nodeDef }) => sum + nodeDef.filter(({ op }) => op !== 'Const').length, 0)

const bind = (lowered: LoweredGraph, context: TensorflowContext, options: RunnableOptions): Bound => {
  const constants = new Map<number, Pointer>()
  const added: string[] = []
  try {
    withErrors(lowered.graph, () => {
      for (const definition of lowered.functions) {
        context.addFunction(definition)
        added.push(definition.signature?.name ?? '')
      }
      for (const [at, operand] of lowered.operands.entries())
        if (operand.kind === 'constant') constants.set(at, context.upload(operand.data, operand.type))
    })
    const { oneThread } = options
    const split = lowered.forms.keepsFilters && oneThread !== undefined ? splitOf(lowered, oneThread, options) : null
    const keeper = lowered.forms.keepsFilters ? new FilterKeeper(context, lowered, split) : null
    return { ...lowered, constants, keeper, split }
  } catch (error) {
    for (const name of added) context.removeFunction(name)
    for (const handle of constants.values()) context.free(handle)
    throw error
  }
}

const unbind = ({ functions, constants, keeper }: Bound, context: TensorflowContext): void => {
  keeper?.dispose()
  for (const { signature } of [...functions].reverse()) context.removeFunction(signature?.name ?? '')
  for (const handle of constants.values()) context.free(handle)
}

interface Call {
  readonly context: TensorflowContext
  readonly at: RunContext
  readonly feeds: Feeds
  readonly crossing: ReadonlyMap<string, Type>
  readonly operands: StepOperands<TfTensor>
  readonly options: RunnableOptions
  /** Receives the times of kernels. Null: nothing is measured. */
  readonly onProfile: ((rows: readonly ProfileRow[]) => void) | null
}

const call = async (step: Bound, run: Call): Promise<StepResults<TfTensor>> => {
  const { context, options, onProfile } = run
  /** Handles that were made for this call. They are freed after it. */
  const own: Pointer[] = []
  // The end of the step before and the copies of the feeds take milliseconds each, so the event loop runs between them.
  if (!step.isBrief) await nextTurn()
  try {
    const handles = await handlesOf(step, run, own)
    const resultCount = step.outputs.length + step.updates.length
    const results = await modeGate(context.api).run(options.mode, async () => {
      const start = performance.now()
      if (onProfile !== null && options.isXla !== true) {
        const traced = await tracedCall(context, step, handles, resultCount)
        onProfile(profileRows(step.graph, traced.stats))
        return traced.results
      }
      const plain = await (step.keeper?.call(variablesOf(step, run), handles) ??
        context.call(step.name, handles, resultCount, step.isBrief))
      // A graph that XLA compiled is one kernel for TensorFlow.
      onProfile?.([{ path: '', op: step.graph.name, kernel: 'XLA', ms: performance.now() - start }])
      return plain
    })
    const named = (kind: 'outputs' | 'updates', from: number): ReadonlyMap<string, TfTensor> =>
      new Map(step[kind].map(({ name }, i) => [name, held(results[from + i] as Pointer)])) // one for each
    return { outputs: named('outputs', 0), updates: named('updates', step.outputs.length) }
  } catch (error) {
    throw error instanceof TensorflowFailure ? errorOf(error.failure, step.graph, options.isXla) : error
  } finally {
    for (const handle of own) context.free(handle)
  }
}

const variablesOf = ({ operands }: Bound, run: Call): readonly TfTensor[] =>
  operands.flatMap((operand) => (operand.kind === 'variable' ? [run.operands.variable(operand.name)] : []))

/** The maximum of milliseconds in which operands are made without the event loop running, without the last operand. */
const sliceMs = 2

/** The handles of the operands. The first run makes the initial values of all variables, so the event loop runs in between. */
const handlesOf = async (step: Bound, run: Call, own: Pointer[]): Promise<readonly Pointer[]> => {
  const handles: Pointer[] = []
  let end = performance.now() + sliceMs
  for (const [place, operand] of step.operands.entries()) {
    const handle = handleOf(operand, place, step, run, own)
    handles.push(typeof handle === 'bigint' ? handle : await handle)
    if (step.isBrief || performance.now() < end) continue
    await nextTurn()
    end = performance.now() + sliceMs
  }
  return handles
}

const handleOf = (
  operand: Operand,
  place: number,
  step: Bound,
  run: Call,
  own: Pointer[],
): Pointer | Promise<Pointer> => {
  const { context, at, feeds, crossing, operands } = run
  const made = (handle: Pointer): Pointer => {
    own.push(handle)
    return handle
  }
  if (operand.kind === 'constant') return step.constants.get(place) as Pointer // bind() has made it
  if (operand.kind === 'variable') return operands.variable(operand.name).handle
  if (operand.kind === 'run') return made(context.upload(runWords(at), { dtype: 'int32', shape: [4] }))
  const { name, type } = operand
  if (crossing.has(name)) return operands.crossing(name).handle
  const feed = feeds.get(name)
  if (feed === undefined)
    throw new EffuseError({ code: 'EF401', message: `the input "${name}" is missing; it is ${showType(type)}` })
  if ('host' in feed) return made(context.upload(feed.host, type))
  const { handle, isBytes } = feed.tensor.native
  return isBytes ? context.numbersOf(handle, type.dtype).then(made) : handle
}

const runWords = ({ seed, runIndex, replica }: RunContext): Int32Array<ArrayBuffer> =>
  Int32Array.of(seed | 0, (runIndex >>> 0) | 0, Math.floor(runIndex / 2 ** 32) | 0, replica | 0)
