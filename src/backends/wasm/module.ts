/**
 * One WebAssembly module for many kernels: each phase is an exported function over an imported memory.
 *
 * A phase's function takes, all i32: the address in bytes of each buffer of the kernel in their order, the address of this thread's scratch memory, the
 * address of the run's context, and the range [first, end) of units that this call computes (0 <= first < end <= units). Buffers and the context are
 * aligned to 16 bytes, packed operands and scratch memory to 64. Calls on disjoint ranges may run at the same time; no result depends on how the units
 * are divided. Up to 64 bytes past the end of a buffer may be read, never written.
 *
 * Imports are `env.memory`, and functions of `math` (math.ts) where a kernel needs them.
 */
import type { Kernel } from '../codegen/kernel/kernel.ts'
import { loopsOf } from '../codegen/loops/from-kernel.ts'
import type { Schedule } from '../codegen/loops/schedule.ts'
import { emitPhase } from './emit.ts'
import { encodeModule, type FunctionBody } from './encoder.ts'

/** A kernel, and a legal schedule for each of its phases. */
export interface ScheduledKernel {
  readonly kernel: Kernel
  readonly schedules: readonly Schedule[]
}

export interface EmittedPhase {
  /** Of the exported function. */
  readonly name: string
  /** 1: the phase is not divided. */
  readonly units: number
  /** Scratch memory that each thread needs. */
  readonly scratchBytes: number
}

export interface EmittedModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** As they were given. Phases run in this order. */
  readonly kernels: readonly {
    readonly phases: readonly EmittedPhase[]
    /** Random streams by number: what the run's context holds keys of (context.ts). */
    readonly streams: readonly string[]
  }[]
}

/**
 * Deterministic: equal kernels and schedules give equal bytes. `sharedMemory`: whether the memory that is imported is shared.
 */
export const emitModule = (
  kernels: readonly ScheduledKernel[],
  { sharedMemory }: { readonly sharedMemory: boolean },
): EmittedModule => {
  const functions: (readonly [name: string, body: FunctionBody])[] = []
  const emitted = kernels.map(({ kernel: { buffers, phases }, schedules }, at) => {
    const streams: string[] = []
    const streamNumber = (stream: string): number => {
      if (!streams.includes(stream)) streams.push(stream)
      return streams.indexOf(stream)
    }
    return {
      phases: phases.map((phase, i): EmittedPhase => {
        const name = `kernel${at}_phase${i}`
        const loops = loopsOf(phase, schedules[i])
        functions.push([name, emitPhase(loops, buffers, { streamNumber })])
        return { name, units: loops.units, scratchBytes: loops.scratchSize * 4 }
      }),
      streams,
    }
  })
  return { bytes: encodeModule({ functions, sharedMemory }), kernels: emitted }
}
