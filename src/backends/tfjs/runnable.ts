/** Runs planned programs: uploads feeds, calls kernels, commits updates together, and returns results. */
import { EffuseError, invariant } from '../../ir/diagnostics.ts'
import { showType, type Type } from '../../ir/types.ts'
import { type GraphStep, graphSteps, type Program } from '../../passes/program.ts'
import {
  stepsOfRun,
  type CompileContext,
  type DeviceTensor,
  type FeedTensor,
  type ProfileRow,
  type RunContext,
  type Runnable,
  type StoreTurn,
} from '../backend.ts'
import { crossingTypes, runSteps, type StepOperands, type StepResults } from '../common/run-steps.ts'
import { planGraph, type CompiledPlan } from './compiled-plan.ts'
import type { Device } from './device.ts'
import { deviceTensor, tfjsMemory } from './memory.ts'
import type { Buffers } from './plan-types.ts'
import type { PlannerOptions } from './planner.ts'
import type { DataId } from './tfjs-types.ts'
import type { Verdict } from './webgpu/submit.ts'

const firstProblem = (found: readonly (EffuseError | null)[]): EffuseError | null =>
  found.find((problem) => problem !== null) ?? null

interface Bound {
  readonly plan: CompiledPlan
  /** The plan's table of buffers between runs: constants, and null for all other slots. */
  readonly buffers: Buffers
}

type Feeds = ReadonlyMap<string, FeedTensor<DataId>>
type Results = ReadonlyMap<string, DeviceTensor<DataId>>

/** Plans every graph of the program. @throws EffuseError EF405 */
export const makeRunnable = (program: Program, cx: CompileContext, options: PlannerOptions): Runnable<DataId> => {
  const { device } = options
  const memory = tfjsMemory(device)
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
  /** Checked before the first run, because compiling a program allocates no memory for a run. */
  const ensureRoom = (name: string, { peakBytes, largestBytes }: CompiledPlan): void => {
    if (roomy.has(name)) return
    if (largestBytes > device.bindingBytesMax)
      throw new EffuseError({
        code: 'EF409',
        message: `${program.name} has a tensor of ${mebibytes(largestBytes)}, and kernels of tfjs-${device.name} read at most ${mebibytes(device.bindingBytesMax)} on this device`,
        hint: 'use a smaller batch, or smaller pictures',
      })
    if (!device.hasRoom(peakBytes))
      throw new EffuseError({
        code: 'EF409',
        message: `${program.name} needs ${mebibytes(peakBytes)} for a run, more than tfjs-${device.name} can allocate`,
        hint: 'use a smaller batch, or smaller pictures',
      })
    roomy.add(name)
  }
  const crossing = crossingTypes(program)
  const run = async (
    turn: StoreTurn<DataId>,
    steps: readonly string[],
    feeds: Feeds,
    at: RunContext,
    onStep?: OnStep,
  ): Promise<Results> => {
    const types = new Map<string, Type>()
    const verdicts: Verdict[] = []
    const runGraph = (
      { name }: GraphStep,
      operands: StepOperands<DataId>,
    ): StepResults<DataId> | Promise<StepResults<DataId>> => {
      const { plan, buffers } = boundOf(name)
      ensureRoom(name, plan)
      for (const { name: output, type } of plan.outputs) types.set(output, type)
      const planRun: PlanRun = { device, at, feeds, crossing, operands }
      if (onStep !== undefined) return profilePlan(plan, buffers, planRun, onStep)
      const { value, verdict } = device.run(() => runPlan(plan, buffers, planRun))
      if (verdict !== undefined) verdicts.push(verdict)
      return value
    }
    const results = await runSteps({ program, steps, turn, at, memory, nameOf: cx.nameOf, runGraph })
    const verdict = verdicts.length === 0 ? undefined : Promise.all(verdicts).then(firstProblem)
    // The types are set above.
    return new Map([...results].map(([name, id]) => [name, deviceTensor(id, types.get(name) as Type, device, verdict)]))
  }
  const plans = stepsOfRun(program).flatMap(({ name }) => bound.get(name)?.plan ?? [])
  const kernels = plans.reduce((sum, { steps }) => sum + steps.length, 0)
  return {
    run: (turn, steps, feeds, at) => run(turn, steps, feeds, at),
    plan: {
      kernels,
      dispatches: kernels,
      peakBytes: Math.max(0, ...plans.map(({ peakBytes }) => peakBytes)),
      arenaBytes: null,
      lowerBoundBytes: Math.max(0, ...plans.map(({ peakBytes }) => peakBytes)),
    },
    profile: async (turn, steps, feeds, at) => {
      const rows: ProfileRow[] = []
      const results = await run(turn, steps, feeds, at, ({ path, op, kernel }, ms) =>
        rows.push({ path, op, kernel, ms }),
      )
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

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`

type OnStep = (step: CompiledPlan['steps'][number], ms: number) => void

interface PlanRun {
  readonly device: Device
  readonly at: RunContext
  readonly feeds: Feeds
  readonly crossing: ReadonlyMap<string, Type>
  readonly operands: StepOperands<DataId>
}

/** Runs synchronously, so that runs of programs on different stores cannot interleave. */
const runPlan = (plan: CompiledPlan, buffers: Buffers, run: PlanRun): StepResults<DataId> => {
  try {
    feedPlan(plan, buffers, run)
    for (let i = 0; i < plan.steps.length; i++) runStep(plan, i, buffers, run)
    return resultsOf(plan, buffers, run)
  } finally {
    release(plan, buffers, run)
  }
}

/** Times each step, including the device's work. */
const profilePlan = async (
  plan: CompiledPlan,
  buffers: Buffers,
  run: PlanRun,
  onStep: OnStep,
): Promise<StepResults<DataId>> => {
  const { device } = run
  try {
    device.run(() => feedPlan(plan, buffers, run))
    for (const [i, step] of plan.steps.entries()) {
      await device.finish()
      const start = performance.now()
      device.run(() => runStep(plan, i, buffers, run))
      await device.finish()
      onStep(step, performance.now() - start)
    }
    return resultsOf(plan, buffers, run)
  } finally {
    release(plan, buffers, run)
  }
}

const feedPlan = (plan: CompiledPlan, buffers: Buffers, run: PlanRun): void => {
  feedInputs(plan, buffers, run)
  for (const { name, slot } of plan.variables) buffers[slot] = run.operands.variable(name)
}

const resultsOf = (plan: CompiledPlan, buffers: Buffers, { device }: PlanRun): StepResults<DataId> => {
  const held = ({ name, slot }: { readonly name: string; readonly slot: number }): readonly [string, DataId] => {
    const dataId = buffers[slot]
    invariant(dataId !== null && dataId !== undefined, () => `the value of "${name}" was not computed`)
    device.retain(dataId)
    return [name, dataId]
  }
  return { outputs: new Map(plan.outputs.map(held)), updates: new Map(plan.updates.map(held)) }
}

/** Runs after errors too: frees every value that this run created and did not return. */
const release = (plan: CompiledPlan, buffers: Buffers, run: PlanRun): void => {
  for (const slot of plan.ownSlots) drop(slot, buffers, run)
}

const drop = (slot: number, buffers: Buffers, { device }: PlanRun): void => {
  const dataId = buffers[slot]
  if (dataId !== null && dataId !== undefined) device.free(dataId)
  buffers[slot] = null
}

const runStep = (plan: CompiledPlan, i: number, buffers: Buffers, run: PlanRun): void => {
  plan.steps[i]?.run(buffers, run.at)
  for (const slot of plan.frees[i] ?? []) drop(slot, buffers, run)
}

/** Gives every input a buffer that this run holds once. */
const feedInputs = (
  { inputs, unusedInputs }: CompiledPlan,
  buffers: Buffers,
  { device, feeds, crossing, operands }: PlanRun,
): void => {
  for (const { name, slot, type } of inputs) {
    if (unusedInputs.has(name)) continue
    const feed = crossing.has(name) ? undefined : feeds.get(name) // a crossing value is never fed
    if (feed !== undefined && 'host' in feed) {
      buffers[slot] = device.place(feed.host, type.shape, type.dtype)
      continue
    }
    const dataId = crossing.has(name) ? operands.crossing(name) : feed?.tensor.native
    if (dataId === undefined)
      throw new EffuseError({ code: 'EF401', message: `the input "${name}" is missing; it is ${showType(type)}` })
    device.retain(dataId)
    buffers[slot] = dataId
  }
}
