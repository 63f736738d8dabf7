/** The reference backend: the interpreter behind the backend contract. Slow, and right. */
import { interpret, type InterpretOptions, type Mode, type Numbers } from '../../ir/interpret.ts'
import { liveOrder, variablesOf } from '../../ir/graph.ts'
import { genericTarget } from '../../ir/target.ts'
import type { Graph } from '../../ir/types.ts'
import type {
  Backend,
  Binding,
  CompileContext,
  DeviceTensor,
  FeedTensor,
  HostArray,
  ProfileRow,
  RunContext,
  Runnable,
} from '../backend.ts'
import { hostArrayOf, stepsOfRun } from '../backend.ts'
import { readForeign } from '../common/foreign-tensor.ts'
import { makeHostStore } from '../common/host-store.ts'
import { graphOf, graphsOf, type Program } from '../../passes/program.ts'

export interface ReferenceOptions {
  /** 'declared' (default) rounds each result to its dtype; 'float64' does not, and results are narrowed to float32 only when read. */
  readonly mode?: Mode | undefined
}

/** Runs any program on the reference interpreter, in JavaScript. */
export const referenceBackend = (options: ReferenceOptions = {}): Backend => ({
  name: 'reference',
  target: { ...genericTarget, name: 'reference' },
  legalize: [],
  fuse: [],
  createStore: makeHostStore,
  compile: (program, cx) => Promise.resolve(referenceRunnable(program, cx, options.mode ?? 'declared')),
  dispose: () => {},
})

const referenceRunnable = (program: Program, cx: CompileContext, mode: Mode): Runnable => {
  const names = new Set(graphsOf(program).flatMap((graph) => variablesOf(graph).map(({ attrs }) => attrs.name)))
  const bindings = new Map([...names].map((name): [string, Binding] => [name, cx.bind(name)]))
  /** All of them read before the first wait, as they are all written: others may share them, and see whole updates. */
  const valuesOf = async (graph: Graph): Promise<ReadonlyMap<string, HostArray>> =>
    new Map(
      await Promise.all(
        variablesOf(graph).flatMap(({ attrs: { name } }) => {
          const binding = bindings.get(name)
          return binding === undefined
            ? []
            : [binding.store.get(binding.name).then((value): [string, HostArray] => [name, value])]
        }),
      ),
    )
  const run = async (
    step: string,
    feeds: ReadonlyMap<string, FeedTensor>,
    at: RunContext,
    onNode?: InterpretOptions['onNode'],
  ): Promise<ReadonlyMap<string, DeviceTensor>> => {
    const graph = graphOf(program, step)
    const inputs = Object.fromEntries(
      await Promise.all([...feeds].map(async ([name, feed]) => [name, await numbersOf(name, feed)] as const)),
    )
    const { outputs, updates } = interpret(graph, { inputs, variables: await valuesOf(graph), mode, onNode, ...at })
    await Promise.all(
      [...updates].map(([name, { dtype, data }]) => {
        const binding = bindings.get(name)
        return binding?.store.set(binding.name, hostArrayOf(dtype, data))
      }),
    )
    return new Map(
      Object.entries(outputs).map(([name, { dtype, shape, data }]): [string, DeviceTensor] => {
        const host = hostArrayOf(dtype, data)
        return [
          name,
          {
            type: { dtype, shape },
            native: host,
            read: () => Promise.resolve(hostArrayOf(dtype, host)),
            dispose: () => {},
          },
        ]
      }),
    )
  }
  const nodes = stepsOfRun(program).flatMap(({ graph }) => liveOrder(graph))
  const kernels = nodes.filter((n) => n.inputs.length > 0).length
  return {
    run: (step, feeds, at) => run(step, feeds, at),
    plan: { kernels, dispatches: kernels, peakBytes: null, arenaBytes: null, lowerBoundBytes: null },
    profile: async (step, feeds, at) => {
      const rows: ProfileRow[] = []
      let last = performance.now()
      await run(step, feeds, at, ({ path, op, inputs }, _results, regions) => {
        if (regions.length > 0) return // in the time of the region
        const now = performance.now()
        if (inputs.length > 0) rows.push({ path, op, kernel: 'reference', ms: now - last })
        last = now
      })
      return rows
    },
    dispose: () => {},
  }
}

/** A result of this backend is its array; what comes from elsewhere is read. */
const numbersOf = async (name: string, feed: FeedTensor): Promise<Numbers> => {
  if ('host' in feed) return feed.host
  return ArrayBuffer.isView(feed.native) ? (feed.native as HostArray) : readForeign(name, feed.type, feed.native) // views are this backend's own
}
