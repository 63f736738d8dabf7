/**
 * WebAssembly modules of kernels. Each phase is an exported function over an imported memory.
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

export interface NumberedKernel extends ScheduledKernel {
  /** Part of the names of its functions. */
  readonly number: number
}

export interface EmittedPhase {
  /** The name of the exported function. */
  readonly name: string
  /** 1: the phase is not divided. */
  readonly units: number
  /** The scratch memory that each thread needs. */
  readonly scratchBytes: number
}

export interface EmittedKernel {
  readonly number: number
  /** They must run in this order. */
  readonly phases: readonly EmittedPhase[]
  /** The random streams by number: the run's context holds their keys (context.ts). */
  readonly streams: readonly string[]
}

export interface EmittedModule {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** In the order of the argument. */
  readonly kernels: readonly EmittedKernel[]
}

export interface EmitOptions {
  /** Is the imported memory shared? */
  readonly sharedMemory: boolean
  /** May the functions use relaxed SIMD? The engine must have it (runtime/probe.ts). */
  readonly relaxedSimd: boolean
}

/** One module of one or more kernels. Deterministic: equal kernels, schedules and options give equal bytes. */
export const emitModule = (kernels: readonly ScheduledKernel[], options: EmitOptions): EmittedModule => {
  const [module] = emitModules(
    kernels.map((kernel, number) => ({ ...kernel, number })),
    options,
    Number.POSITIVE_INFINITY,
  )
  return module as EmittedModule // there are kernels
}

/** A module ends with the kernel that brings its code to `bytesMin`. Each is emitted when it is taken. */
export function* emitModules(
  kernels: Iterable<NumberedKernel>,
  { sharedMemory, relaxedSimd }: EmitOptions,
  bytesMin: number,
): Generator<EmittedModule> {
  let functions: (readonly [name: string, body: FunctionBody])[] = []
  let emitted: EmittedKernel[] = []
  let bytes = 0
  const module = (): EmittedModule => ({
    bytes: encodeModule({ functions, sharedMemory, relaxedSimd }),
    kernels: emitted,
  })
  for (const { number, kernel, schedules } of kernels) {
    const streams: string[] = []
    const streamNumber = (stream: string): number => {
      if (!streams.includes(stream)) streams.push(stream)
      return streams.indexOf(stream)
    }
    const phases = kernel.phases.map((phase, i): EmittedPhase => {
      const name = `kernel${number}_phase${i}`
      const loops = loopsOf(phase, schedules[i])
      const body = emitPhase(loops, kernel.buffers, { streamNumber, relaxedSimd })
      functions.push([name, body])
      bytes += body.codeBytes
      return { name, units: loops.units, scratchBytes: loops.scratchSize * 4 }
    })
    emitted.push({ number, phases, streams })
    if (bytes < bytesMin) continue
    yield module()
    functions = []
    emitted = []
    bytes = 0
  }
  if (emitted.length > 0) yield module()
}
