/** Running planned programs: feeds in, steps, updates committed together, results out. */
import { EffuseError, invariant } from '../../ir/diagnostics.ts'
import { showType, type Type } from '../../ir/types.ts'
import { variablesOf } from '../../ir/graph.ts'
import { graphSteps, graphsOf, type Program } from '../../passes/program.ts'
import {
  hostArrayOf,
  stepsOfRun,
  type Binding,
  type CompileContext,
  type DeviceTensor,
  type FeedTensor,
  type ProfileRow,
  type RunContext,
  type Runnable,
} from '../backend.ts'
import { readForeign } from '../common/foreign-tensor.ts'
import { planGraph, type CompiledPlan } from './compiled-plan.ts'
import type { Device } from './device.ts'
import type { Buffers } from './plan-types.ts'
import type { PlannerOptions } from './planner.ts'
import { isTfjsStore, type TfjsStore } from './store.ts'
import type { DataId } from './tfjs-types.ts'

interface Bound {
  readonly plan: CompiledPlan
  /** The plan's table of buffers between runs: constants, and null elsewhere. */
  readonly buffers: Buffers
}

/** Plans every graph of the program. @throws EffuseError EF405 */
export const makeRunnable = (program: Program, cx: CompileContext, options: PlannerOptions): Runnable => {
  const { device } = options
  const names = new Set(graphsOf(program).flatMap((graph) => variablesOf(graph).map(({ attrs }) => attrs.name)))
  const bindings = new Map([...names].map((name): [string, Binding] => [name, cx.bind(name)]))
  const bound = new Map<string, Bound>()
  const dispose = (): void => {
    for (const { plan } of bound.values()) for (const { dataId } of plan.constants) device.free(dataId)
    bound.clear()
  }
  try {
    const steps = graphSteps(program)
    for (const [done, { name, graph }] of steps.entries()) {
      cx.signal?.throwIfAborted()
      bound.set(name, bindPlan(planGraph(graph, options)))
      cx.onProgress?.({ stage: 'plan', done: done + 1, total: steps.length })
    }
  } catch (error) {
    dispose()
    throw error
  }
  const boundOf = (name: string): Bound => {
    const found = bound.get(name)
    invariant(found !== undefined, () => `the program ${program.name} has no step "${name}", or was disposed of`)
    return found
  }
  const roomy = new Set<string>()
  /** Once, and not when compiling: who only looks at a program needs no memory for it. */
  const ensureRoom = (name: string, { peakBytes }: CompiledPlan): void => {
    if (roomy.has(name)) return
    if (!device.hasRoom(peakBytes))
      throw new EffuseError({
        code: 'EF409',
        message: `${program.name} needs ${Math.ceil(peakBytes / 2 ** 20).toLocaleString('en-US')} MiB for a run, more than tfjs-${device.name} can get`,
        hint: 'a smaller batch, or smaller pictures',
      })
    roomy.add(name)
  }
  const run = async (
    name: string,
    feeds: ReadonlyMap<string, FeedTensor>,
    at: RunContext,
    onStep?: OnStep,
  ): Promise<ReadonlyMap<string, DeviceTensor>> => {
    const { plan, buffers } = boundOf(name)
    ensureRoom(name, plan)
    const fed = await foreignData(plan, feeds, device)
    // From here to the end nothing waits, so runs cannot mix.
    try {
      feedInputs(plan, fed, buffers, device)
      for (const { name: variable, slot } of plan.variables) {
        const { store, name: stored } = storeOf(bindings, variable)
        buffers[slot] = store.bufferOf(stored)
      }
      runSteps(plan, buffers, at, device, onStep)
      const results = new Map(
        plan.outputs.map(({ name: output, slot, type }) => [
          output,
          deviceTensor(held(buffers[slot], device), type, device),
        ]),
      )
      commit(plan, buffers, bindings, device)
      return results
    } finally {
      // Also after an error half-way: whatever this run made and nobody took goes.
      for (const slot of plan.ownSlots) {
        const dataId = buffers[slot]
        if (dataId !== null && dataId !== undefined) device.free(dataId)
        buffers[slot] = null
      }
    }
  }
  const turns = stepsOfRun(program).flatMap(({ name }) => bound.get(name)?.plan ?? [])
  const kernels = turns.reduce((sum, { steps }) => sum + steps.length, 0)
  return {
    run: (name, feeds, at) => run(name, feeds, at),
    plan: {
      kernels,
      dispatches: kernels,
      peakBytes: Math.max(0, ...turns.map(({ peakBytes }) => peakBytes)),
      arenaBytes: null,
      lowerBoundBytes: null,
    },
    profile: async (name, feeds, at) => {
      const rows: ProfileRow[] = []
      const { plan } = boundOf(name)
      const results = await run(name, feeds, at, (step, ms) => {
        const { path, op, kernel } = plan.steps[step] as CompiledPlan['steps'][number] // steps report their own index
        rows.push({ path, op, kernel, ms })
      })
      for (const tensor of results.values()) tensor.dispose()
      return rows
    },
    dispose,
  }
}

const bindPlan = (plan: CompiledPlan): Bound => {
  const buffers: Buffers = new Array<DataId | null>(plan.slotCount).fill(null)
  for (const { slot, dataId } of plan.constants) buffers[slot] = dataId
  return { plan, buffers }
}

type OnStep = (step: number, ms: number) => void

const runSteps = (
  { steps, frees }: CompiledPlan,
  buffers: Buffers,
  at: RunContext,
  device: Device,
  onStep: OnStep | undefined,
): void => {
  for (let i = 0; i < steps.length; i++) {
    const start = onStep === undefined ? 0 : performance.now()
    steps[i]?.run(buffers, at)
    for (const slot of frees[i] ?? []) {
      const dataId = buffers[slot]
      if (dataId === null || dataId === undefined) continue
      device.free(dataId)
      buffers[slot] = null
    }
    onStep?.(i, performance.now() - start)
  }
}

/** A feed as this device takes it. */
type Fed = { readonly dataId: DataId } | { readonly host: ArrayLike<number> }

/** Tensors of other backends (and of other copies of tfjs) are read; those of this one are used as they lie. */
const foreignData = async (
  plan: CompiledPlan,
  feeds: ReadonlyMap<string, FeedTensor>,
  device: Device,
): Promise<ReadonlyMap<string, Fed>> => {
  const fed = new Map<string, Fed>()
  for (const { name, type } of plan.inputs) {
    const feed = feeds.get(name)
    if (feed === undefined)
      throw new EffuseError({ code: 'EF401', message: `the input "${name}" is missing; it is ${showType(type)}` })
    fed.set(name, 'host' in feed ? { host: feed.host } : await nativeFeed(name, type, feed.native, device))
  }
  return fed
}

const nativeFeed = async (name: string, type: Type, native: unknown, device: Device): Promise<Fed> => {
  if (typeof native === 'object' && native !== null) {
    const { dataId } = native as { readonly dataId?: unknown }
    if (typeof dataId === 'object' && dataId !== null && device.holds(dataId)) return { dataId }
  }
  return { host: await readForeign(name, type, native) }
}

const feedInputs = (plan: CompiledPlan, fed: ReadonlyMap<string, Fed>, buffers: Buffers, device: Device): void => {
  for (const { name, slot, type } of plan.inputs) {
    const feed = fed.get(name)
    if (feed === undefined || plan.unusedInputs.has(name)) continue
    if ('dataId' in feed) device.retain(feed.dataId)
    buffers[slot] =
      'dataId' in feed ? feed.dataId : device.upload(hostArrayOf(type.dtype, feed.host), type.shape, type.dtype)
  }
}

/** The buffer with one more holder. */
const held = (dataId: DataId | null | undefined, device: Device): DataId => {
  invariant(dataId !== null && dataId !== undefined, () => 'a result was not computed')
  device.retain(dataId)
  return dataId
}

const commit = (plan: CompiledPlan, buffers: Buffers, bindings: ReadonlyMap<string, Binding>, device: Device): void => {
  const byStore = new Map<TfjsStore, { name: string; dataId: DataId }[]>()
  for (const { name, slot } of plan.updates) {
    const { store, name: stored } = storeOf(bindings, name)
    byStore.set(store, [...(byStore.get(store) ?? []), { name: stored, dataId: held(buffers[slot], device) }])
  }
  for (const [store, values] of byStore) store.commit(values)
}

const storeOf = (
  bindings: ReadonlyMap<string, Binding>,
  name: string,
): { readonly store: TfjsStore; readonly name: string } => {
  const binding = bindings.get(name)
  invariant(
    binding !== undefined && isTfjsStore(binding.store),
    () => `the variable "${name}" is bound to no store of this backend`,
  )
  return { store: binding.store, name: binding.name }
}

const deviceTensor = (dataId: DataId, type: Type, device: Device): DeviceTensor => {
  let isDisposed = false
  return {
    type,
    native: { dataId, shape: [...type.shape], dtype: type.dtype },
    read: () => device.download(dataId, type.dtype),
    dispose: () => {
      if (!isDisposed) device.free(dataId)
      isDisposed = true
    },
  }
}
