/**
 * One WebAssembly module for many kernels. Each phase is an exported function over an imported memory.
 *
 * The parameters of a phase's function, all i32: the address in bytes of each buffer of the kernel, in order; the address of this thread's scratch
 * memory; the address of the run's context; and the range [first, end) of units that this call computes (0 <= first < end <= units). Buffers and the
 * context are aligned to 16 bytes, packed operands and scratch memory to 64. Calls on disjoint ranges may run concurrently; no result depends on how
 * the units are divided. A function may read up to 64 bytes past the end of a buffer. It never writes there.
 *
 * The imports are `env.memory`, and functions of `math` (math.ts) where a kernel needs them.
 */
import type { Kernel } from '../codegen/kernel/kernel.ts'
import { loopsOf } from '../codegen/loops/from-kernel.ts'
import type { Schedule } from '../codegen/loops/schedule.ts'
import { emitPhase } from './emit.ts'
import { encodeModule, type FunctionBody } from './encoder.ts'

/** A kernel, with a legal schedule for each of its phases. */
export interface ScheduledKernel {
  readonly kernel: Kernel
  readonly schedules: readonly Schedule[]
}

export interface EmittedPhase {
  /** The name of the exported function. */
  readonly name: string
  /** 1: the phase is not divided. */
  readonly units: number
  /** The scratch memory that each thread needs. */
  readonly scratchBytes: number
}

export interface EmittedModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** In the order of the argument. The phases of a kernel must run in this order. */
  readonly kernels: readonly {
    readonly phases: readonly EmittedPhase[]
    /** The random streams by number: the run's context holds their keys (context.ts). */
    readonly streams: readonly string[]
  }[]
}

export interface EmitOptions {
  /** Is the imported memory shared? */
  readonly sharedMemory: boolean
  /** May the functions use relaxed SIMD? The engine must have it (runtime/probe.ts). */
  readonly relaxedSimd: boolean
}

/** Deterministic: equal kernels, schedules and options give equal bytes. */
export const emitModule = (
  kernels: readonly ScheduledKernel[],
  { sharedMemory, relaxedSimd }: EmitOptions,
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
        functions.push([name, emitPhase(loops, buffers, { streamNumber, relaxedSimd })])
        return { name, units: loops.units, scratchBytes: loops.scratchSize * 4 }
      }),
      streams,
    }
  })
  return { bytes: encodeModule({ functions, sharedMemory, relaxedSimd }), kernels: emitted }
}
