/** The reference backend: the interpreter behind the backend contract. Slow, and right. */
import { EffuseError } from '../../ir/diagnostics.ts'
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
  Program,
  RunContext,
  Runnable,
  VariableSpec,
} from '../backend.ts'
import { hostArrayOf, turnPlans } from '../backend.ts'
import { readForeign } from '../common/foreign-tensor.ts'
import { makeHostStore } from '../common/host-store.ts'
import type { PlanName } from '../../passes/pass.ts'

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
  const bindings = new Map(program.variables.map((spec: VariableSpec): [string, Binding] => [spec.name, cx.bind(spec)]))
  const planOf = (plan: PlanName): Graph => {
    const graph = program.plans[plan]
    if (graph === undefined)
      throw new EffuseError({ code: 'EF901', message: `bug in the compiler: the program has no plan "${plan}"` })
    return graph
  }
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
    plan: PlanName,
    feeds: ReadonlyMap<string, FeedTensor>,
    at: RunContext,
    onNode?: InterpretOptions['onNode'],
  ): Promise<ReadonlyMap<string, DeviceTensor>> => {
    const graph = planOf(plan)
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
  const nodes = turnPlans.flatMap((plan) => (program.plans[plan] === undefined ? [] : liveOrder(program.plans[plan])))
  const kernels = nodes.filter((n) => n.inputs.length > 0).length
  return {
    run: (plan, feeds, at) => run(plan, feeds, at),
    plan: { kernels, dispatches: kernels, peakBytes: null, arenaBytes: null, lowerBoundBytes: null },
    profile: async (plan, feeds, at) => {
      const rows: ProfileRow[] = []
      let last = performance.now()
      await run(plan, feeds, at, ({ path, op, inputs }, _results, regions) => {
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
