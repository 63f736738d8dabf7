/** Compiles a program: its kernels, the modules with their code, memory plans, and dispatch lists in the threads. */
import { orAborted } from '../../ir/or-aborted.ts'
import type { MemoryConstraints } from '../../ir/target.ts'
import { graphSteps, type Program } from '../../passes/program.ts'
import type { CompileContext, Runnable } from '../backend.ts'
import { crossingTypes } from '../common/run-steps.ts'
import type { Arena } from './arena.ts'
import { bindStep, type BoundStep, bytesOfBound, unbindStep } from './bound-step.ts'
import { compileKernels } from './compile-kernels.ts'
import { compileStep, packedFormBytes } from './compile-step.ts'
import { planDispatches } from './dispatch-list.ts'
import { makeKernelLibrary } from './kernel-library.ts'
import { batchHint, ensureFits } from './limits.ts'
import { makeRunnable } from './runnable.ts'
import type { WasmDevice } from './runtime/device.ts'
import type { Block } from './runtime/space.ts'

export interface ProgramTarget {
  readonly device: WasmDevice
  readonly memory: MemoryConstraints
}

/** @throws EffuseError EF409 where the program cannot fit into memory, before anything is allocated */
export const compileProgram = async (
  program: Program,
  arena: Arena,
  cx: CompileContext,
  { device, memory }: ProgramTarget,
): Promise<Runnable<Block>> => {
  const library = makeKernelLibrary()
  const crossing = new Set(crossingTypes(program).keys())
  const planned = graphSteps(program).map(({ name, graph, when }, done, { length }) => {
    cx.signal?.throwIfAborted()
    const step = compileStep(graph, library, when.kind === 'stale')
    const plan = planDispatches(step, library, crossing, memory)
    cx.onProgress?.({ stage: 'plan', done: done + 1, total: length })
    return { name, step, plan }
  })
  const peakBytes = planned.reduce((most, { plan }) => Math.max(most, plan.peakBytes), 0)
  const packedBytes = packedFormBytes(planned.map(({ step }) => step))
  ensureFits({ program, peakBytes, packedBytes, boundBytes: 0 }, device.space.bytesMax)
  cx.signal?.throwIfAborted()
  const options = { sharedMemory: device.isShared, relaxedSimd: device.relaxedSimd }
  const compiled = await compileKernels(library, options, cx.signal)
  await orAborted(device.started, cx.signal)
  cx.signal?.throwIfAborted()
  const steps = new Map<string, BoundStep>()
  const ends: (() => void)[] = []
  const dispose = (): void => {
    for (const end of ends.splice(0)) end()
  }
  try {
    for (const { name, step, plan } of planned) {
      const bound = bindStep({ step, plan, compiled }, device)
      steps.set(name, bound)
      ends.push(() => unbindStep(bound, device), arena.use(plan.memory.arenaBytes))
    }
    // Checked again, because the size of scratch memory is known only now.
    const boundBytes = [...steps.values()].reduce((sum, bound) => sum + bytesOfBound(bound), 0)
    ensureFits({ program, peakBytes, packedBytes, boundBytes }, device.space.bytesMax)
  } catch (error) {
    dispose()
    throw error
  }
  return makeRunnable({
    program,
    nameOf: cx.nameOf,
    device,
    steps,
    arena,
    notes: device.notes,
    memoryHint: (ownBytes) => batchHint(program, peakBytes, ownBytes + device.space.bytesMax - device.space.usedBytes),
    dispose,
  })
}
