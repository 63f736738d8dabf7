/** The reference backend: the interpreter as a backend. Exact and slow. */
import { inputTypes, liveOrder, variablesReadBy } from '../../ir/graph.ts'
import { interpret, type InterpretOptions, type Mode } from '../../ir/interpret.ts'
import { genericTarget } from '../../ir/target.ts'
import type { Type } from '../../ir/types.ts'
import type { GraphStep, Program } from '../../passes/program.ts'
import type {
  Backend,
  CompileContext,
  DeviceTensor,
  FeedTensor,
  HostArray,
  ProfileRow,
  RunContext,
  Runnable,
  StoreTurn,
} from '../backend.ts'
import { hostArrayOf, stepsOfRun } from '../backend.ts'
import { crossingTypes, type StepOperands, type StepResults, runSteps } from '../common/run-steps.ts'
import { makeVariableStore, type Memory } from '../common/variable-store.ts'

export interface ReferenceOptions {
  /** 'declared' (default) rounds each result to its dtype; 'float64' rounds only the read results, to float32. */
  readonly mode?: Mode | undefined
}

/** Arrays on the host. They never change, so they can be shared. */
const hostMemory = (): Memory<HostArray> => ({
  device: Object.freeze({}),
  upload: (data) => data.slice(),
  download: (value) => Promise.resolve(value.slice()),
  free: () => {},
})

/** Runs any program on the reference interpreter, in JavaScript. */
export const referenceBackend = (options: ReferenceOptions = {}): Backend<HostArray> => {
  const memory = hostMemory()
  return {
    name: 'reference',
    target: { ...genericTarget, name: 'reference' },
    device: memory.device,
    fingerprint: 'reference',
    lost: new Promise(() => {}), // it ends with the process
    legalize: [],
    fuse: [],
    createStore: () => makeVariableStore(memory),
    adopt: () => null,
    compile: (program, _store, cx) =>
      Promise.resolve(referenceRunnable(program, cx, memory, options.mode ?? 'declared')),
    dispose: () => {},
  }
}

type Feeds = ReadonlyMap<string, FeedTensor<HostArray>>

const referenceRunnable = (
  program: Program,
  { nameOf }: CompileContext,
  memory: Memory<HostArray>,
  mode: Mode,
): Runnable<HostArray> => {
  const crossing = crossingTypes(program)
  const run = async (
    turn: StoreTurn<HostArray>,
    steps: readonly string[],
    feeds: Feeds,
    at: RunContext,
    onNode?: InterpretOptions['onNode'],
  ): Promise<ReadonlyMap<string, DeviceTensor<HostArray>>> => {
    const types = new Map<string, Type>()
    const runGraph = ({ graph }: GraphStep, operands: StepOperands<HostArray>): StepResults<HostArray> => {
      const fed = [...feeds].map(([name, feed]) => [name, 'host' in feed ? feed.host : feed.tensor.native] as const)
      const handed = [...inputTypes(graph).keys()]
        .filter((name) => crossing.has(name))
        .map((name) => [name, operands.crossing(name)] as const)
      const variables = new Map(variablesReadBy(graph).map(({ attrs: { name } }) => [name, operands.variable(name)]))
      const inputs = Object.fromEntries([...fed, ...handed])
      const { outputs, updates } = interpret(graph, { inputs, variables, mode, onNode, ...at })
      for (const [name, { dtype, shape }] of Object.entries(outputs)) types.set(name, { dtype, shape })
      return {
        outputs: new Map(Object.entries(outputs).map(([name, { dtype, data }]) => [name, hostArrayOf(dtype, data)])),
        updates: new Map([...updates].map(([name, { dtype, data }]) => [name, hostArrayOf(dtype, data)])),
      }
    }
    const results = await runSteps({ program, steps, turn, at, memory, nameOf, runGraph })
    return new Map([...results].map(([name, value]) => [name, hostTensor(value, types.get(name) as Type, memory)])) // set above
  }
  const nodes = stepsOfRun(program).flatMap(({ graph }) => liveOrder(graph))
  const kernels = nodes.filter((n) => n.inputs.length > 0).length
  return {
    run: (turn, steps, feeds, at) => run(turn, steps, feeds, at),
    plan: { kernels, dispatches: kernels, peakBytes: null, arenaBytes: null, lowerBoundBytes: null },
    profile: async (turn, steps, feeds, at) => {
      const rows: ProfileRow[] = []
      let last = performance.now()
      await run(turn, steps, feeds, at, ({ path, op, inputs }, _results, regions) => {
        if (regions.length > 0) return // counted as time of the region
        const now = performance.now()
        if (inputs.length > 0) rows.push({ path, op, kernel: 'reference', ms: now - last })
        last = now
      })
      return rows
    },
    dispose: () => {},
  }
}

const hostTensor = (native: HostArray, type: Type, memory: Memory<HostArray>): DeviceTensor<HostArray> => ({
  type,
  device: memory.device,
  native,
  read: () => memory.download(native, type),
  share: () => hostTensor(native, type, memory),
  dispose: () => {},
})
