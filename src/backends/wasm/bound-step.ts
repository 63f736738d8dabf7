/** A step with its resources on the device: constants, its dispatch list in the threads, scratch memory, and the table of addresses. */
import type { ProfileRow, RunContext } from '../backend.ts'
import type { CompiledKernels } from './compile-kernels.ts'
import { bytesOf, type CompiledStep, type NamedValue, type StepValue } from './compile-step.ts'
import type { DispatchPlan } from './dispatch-list.ts'
import { contextsOf } from './contexts.ts'
import { uploadBytes } from './memory.ts'
import type { WasmDevice } from './runtime/device.ts'
import type { Dispatch } from './runtime/messages.ts'
import type { Block } from './runtime/space.ts'

export interface BoundStep {
  readonly list: number
  readonly plan: DispatchPlan
  readonly values: readonly StepValue[]
  /** By value. */
  readonly bytes: readonly number[]
  readonly outputs: readonly NamedValue[]
  readonly updates: readonly NamedValue[]
  readonly constants: ReadonlyMap<number, Block>
  readonly table: Block
  /** The counters with which threads record progress. */
  readonly words: Block
  readonly context: Block
  readonly contextOf: (at: RunContext) => Uint8Array<ArrayBuffer>
  readonly scratch: Block
  /** Per thread. */
  readonly scratchBytes: number
  /** The number of kernel calls. A kernel may have several phases. */
  readonly kernels: number
  /** For profiles: one row for each dispatch. */
  readonly rows: readonly Omit<ProfileRow, 'ms'>[]
}

/** List numbers are unique over all backends of the process. */
let listCount = 0

export interface StepToBind {
  readonly step: CompiledStep
  readonly plan: DispatchPlan
  readonly compiled: CompiledKernels
}

/** @throws EffuseError EF409 */
export const bindStep = ({ step, plan, compiled }: StepToBind, device: WasmDevice): BoundStep => {
  const { space, runner } = device
  const blocks: Block[] = []
  const allocate = (bytes: number, what: string): Block => {
    const block = space.allocate(bytes, () => what)
    blocks.push(block)
    return block
  }
  try {
    const constants = new Map<number, Block>()
    step.values.forEach((value, at) => {
      if (value.source.kind !== 'constant' || !plan.used.has(at)) return
      const block = allocate(bytesOf(value), 'a constant')
      uploadBytes(device, block.address, value.source.data, value.type)
      constants.set(at, block)
    })
    const { kernels } = compiled
    const phases = plan.dispatches.map(({ kernel, phase }) => kernels[kernel]?.phases[phase])
    // Threads instantiate only the modules that the step needs.
    const used = [...new Set(plan.dispatches.map(({ kernel }) => kernels[kernel]?.module ?? 0))]
    const scratchBytes = phases.reduce((most, phase) => Math.max(most, phase?.scratchBytes ?? 0), 0)
    const alignedScratch = Math.ceil(scratchBytes / 64) * 64
    const contexts = contextsOf(
      plan.dispatches.map(({ kernel }) => kernel),
      kernels,
    )
    const dispatches = plan.dispatches.map(
      ({ kernel, phase, slots, isOptional }, i): Dispatch => ({
        module: used.indexOf(kernels[kernel]?.module ?? 0),
        name: phases[i]?.name ?? '',
        slots,
        units: phases[i]?.units ?? 1,
        context: contexts.offsetOf(kernel, phase),
        isOptional,
      }),
    )
    const list = listCount++
    const bound: BoundStep = {
      list,
      plan,
      values: step.values,
      bytes: step.values.map(bytesOf),
      outputs: step.outputs,
      updates: step.updates,
      constants,
      table: allocate(4 * step.values.length, 'a table of addresses'),
      words: allocate(4 * dispatches.length * (runner.threads + 1), 'counters of the threads'),
      context: allocate(contexts.bytes, 'the context of runs'),
      contextOf: contexts.at,
      scratch: allocate(Math.max(64, alignedScratch * runner.threads), 'scratch memory of the threads'),
      scratchBytes: alignedScratch,
      kernels: step.calls.length,
      rows: plan.dispatches.map(({ kernel, phase, origin }) => ({
        path: origin.path,
        op: origin.op,
        kernel: kernels[kernel]?.phases[phase]?.name ?? '',
      })),
    }
    // After all that can fail, because the threads keep the list until it is unloaded.
    runner.load({ list, modules: used.map((at) => compiled.modules[at] as WebAssembly.Module), dispatches }) // each kernel is in a module
    return bound
  } catch (error) {
    for (const block of blocks) space.release(block)
    throw error
  }
}

export const unbindStep = (bound: BoundStep, { space, runner }: WasmDevice): void => {
  runner.unload(bound.list)
  for (const block of blocksOf(bound)) space.release(block)
}

/** The bytes that a step occupies between runs. */
export const bytesOfBound = (bound: BoundStep): number => blocksOf(bound).reduce((sum, { bytes }) => sum + bytes, 0)

const blocksOf = ({ constants, table, words, context, scratch }: BoundStep): readonly Block[] => [
  ...constants.values(),
  table,
  words,
  context,
  scratch,
]
