/** Runs a compiled program: feeds, the dispatch lists of its steps, and results. */
import { invariant } from '../../ir/diagnostics.ts'
import type { Type } from '../../ir/types.ts'
import type { GraphStep, Program } from '../../passes/program.ts'
import {
  type CompileContext,
  type DeviceTensor,
  type FeedTensor,
  type PlanFigures,
  type ProfileRow,
  type RunContext,
  type Runnable,
  type StoreTurn,
  stepsOfRun,
} from '../backend.ts'
import { crossingTypes, runSteps, type StepOperands, type StepResults } from '../common/run-steps.ts'
import { AddressTable } from './address-table.ts'
import type { Arena } from './arena.ts'
import type { BoundStep } from './bound-step.ts'
import { deviceTensor, hold, wasmMemory } from './memory.ts'
import type { WasmDevice } from './runtime/device.ts'
import type { Block } from './runtime/space.ts'

type Feeds = ReadonlyMap<string, FeedTensor<Block>>

export interface RunnableParts {
  readonly program: Program
  readonly nameOf: CompileContext['nameOf']
  readonly device: WasmDevice
  readonly steps: ReadonlyMap<string, BoundStep>
  readonly arena: Arena
  readonly notes: readonly string[]
  /** Which change would make the program fit if memory is insufficient. `ownBytes`: what the run that lacks memory holds itself. */
  readonly memoryHint: (ownBytes: number) => string | undefined
  readonly dispose: () => void
}

export const makeRunnable = (parts: RunnableParts): Runnable<Block> => {
  const { program, nameOf, device, notes } = parts
  const memory = wasmMemory(device)
  const crossing = crossingTypes(program)
  const runWith = async (
    turn: StoreTurn<Block>,
    steps: readonly string[],
    feeds: Feeds,
    at: RunContext,
    onTimes: ((step: BoundStep, times: Float64Array) => void) | null,
  ): Promise<ReadonlyMap<string, DeviceTensor<Block>>> => {
    const types = new Map<string, Type>()
    const runGraph = async ({ name }: GraphStep, operands: StepOperands<Block>): Promise<StepResults<Block>> => {
      const step = parts.steps.get(name)
      invariant(step !== undefined, () => `the program ${program.name} has no step "${name}"`)
      for (const output of step.outputs) types.set(output.name, output.type)
      return runStep(step, { parts, at, feeds, crossing, operands, onTimes })
    }
    const results = await runSteps({ program, steps, turn, at, memory, nameOf, runGraph })
    // a type was set for each result above
    return new Map([...results].map(([name, block]) => [name, deviceTensor(block, types.get(name) as Type, device)]))
  }
  return {
    run: (turn, steps, feeds, at) => runWith(turn, steps, feeds, at, null),
    plan: figuresOf(parts),
    notes,
    profile: async (turn, steps, feeds, at) => {
      const rows: ProfileRow[] = []
      const results = await runWith(turn, steps, feeds, at, (step, times) =>
        step.rows.forEach((row, i) => {
          const ms = times[i] as number // one time for each dispatch
          const isLeftOut = ms === 0 && step.plan.dispatches[i]?.isOptional === true
          if (!isLeftOut) rows.push({ ...row, ms })
        }),
      )
      for (const tensor of results.values()) tensor.dispose()
      return rows
    },
    dispose: parts.dispose,
  }
}

const figuresOf = ({ program, steps }: RunnableParts): PlanFigures => {
  const bound = stepsOfRun(program).flatMap(({ name }) => steps.get(name) ?? [])
  const most = (of: (step: BoundStep) => number): number => bound.reduce((max, step) => Math.max(max, of(step)), 0)
  return {
    kernels: bound.reduce((sum, { kernels }) => sum + kernels, 0),
    dispatches: bound.reduce((sum, { plan }) => sum + plan.memory.order.length, 0),
    peakBytes: most(({ plan }) => plan.peakBytes),
    arenaBytes: most(({ plan }) => plan.memory.arenaBytes),
    lowerBoundBytes: most(({ plan }) => plan.memory.lowerBoundBytes),
  }
}

interface StepRun {
  readonly parts: RunnableParts
  readonly at: RunContext
  readonly feeds: Feeds
  readonly crossing: ReadonlyMap<string, Type>
  readonly operands: StepOperands<Block>
  readonly onTimes: ((step: BoundStep, times: Float64Array) => void) | null
}

const runStep = async (step: BoundStep, run: StepRun): Promise<StepResults<Block>> => {
  const { parts, onTimes } = run
  const { device } = parts
  const table = new AddressTable(step, run)
  try {
    table.fill()
    const times = await device.runner.run({
      list: step.list,
      table: table.addresses,
      tableAddress: step.table.address,
      words: step.words.address,
      context: step.contextOf(run.at),
      contextAddress: step.context.address,
      scratch: step.scratch.address,
      scratchBytes: step.scratchBytes,
      end: device.space.bytes.byteLength,
      isProfiled: onTimes !== null,
    })
    table.keepForms()
    if (times !== null) onTimes?.(step, times)
    const named = (values: BoundStep['outputs']): ReadonlyMap<string, Block> =>
      new Map(values.map(({ name, value }) => [name, hold(table.kept.get(step.plan.bases[value] as number) as Block)])) // fill() has made all blocks
    return { outputs: named(step.outputs), updates: named(step.updates) }
  } finally {
    table.release()
  }
}
