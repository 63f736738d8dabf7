/**
 * WebAssembly modules of kernels. Each phase is an exported function over an imported memory.
 *
 * The parameters of a phase's function, all i32: the address in bytes of each buffer of the kernel, in order; the address of this thread's scratch
 * memory; the address of the context (contexts.ts); and the range [first, end) of units that this call computes (0 <= first < end <= units). Buffers
 * and the context are aligned to 16 bytes, packed operands and scratch memory to 64. Calls on disjoint ranges may run concurrently; no result depends
 * on how the units are divided. A function may read up to 64 bytes past the end of a buffer. It never writes there.
 *
 * The imports are `env.memory`, and functions of `math` (math.ts) where a kernel needs them.
 */
import type { Kernel, KernelBuffer } from '../codegen/kernel/kernel.ts'
import { loopsOf } from '../codegen/loops/from-kernel.ts'
import type { LoopNest } from '../codegen/loops/loops.ts'
import type { Schedule } from '../codegen/loops/schedule.ts'
import { emitPhase } from './emit.ts'
import { encodeModule, type FunctionBody } from './encoder.ts'

/** How a phase is called. */
export interface PhaseCall {
  /** 1: the phase is not divided. */
  readonly units: number
  /** For loops whose sizes are parameters (sized-loops.ts); empty for others. */
  readonly parameters: readonly number[]
}

/** A kernel whose phases have loops. */
export interface LoweredKernel {
  readonly buffers: readonly KernelBuffer[]
  readonly phases: readonly (PhaseCall & { readonly loops: LoopNest })[]
}

export interface NumberedKernel extends LoweredKernel {
  /** Part of the names of its functions. */
  readonly number: number
}

export interface EmittedPhase extends PhaseCall {
  /** The name of the exported function. */
  readonly name: string
  /** The scratch memory that each thread needs. */
  readonly scratchBytes: number
}

export interface EmittedKernel {
  readonly number: number
  /** They must run in this order. */
  readonly phases: readonly EmittedPhase[]
  /** The random streams by number: the context holds their keys (context.ts). */
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

/** The loops of a kernel with a legal schedule for each of its phases. */
export const scheduledKernel = ({ buffers, phases }: Kernel, schedules: readonly Schedule[]): LoweredKernel => ({
  buffers,
  phases: phases.map((phase, i) => {
    const loops = loopsOf(phase, schedules[i])
    return { loops, units: loops.units, parameters: [] }
  }),
})

/** One module of one or more kernels. Deterministic: equal loops and options give equal bytes. */
export const emitModule = (kernels: readonly LoweredKernel[], options: EmitOptions): EmittedModule => {
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
  for (const { number, buffers, phases } of kernels) {
    const streams: string[] = []
    const streamNumber = (stream: string): number => {
      if (!streams.includes(stream)) streams.push(stream)
      return streams.indexOf(stream)
    }
    const calls = phases.map(({ loops, units, parameters }, i): EmittedPhase => {
      const name = `kernel${number}_phase${i}`
      const body = emitPhase(loops, buffers, { streamNumber, relaxedSimd })
      functions.push([name, body])
      bytes += body.codeBytes
      return { name, units, parameters, scratchBytes: loops.scratchSize * 4 }
    })
    emitted.push({ number, phases: calls, streams })
    if (bytes < bytesMin) continue
    yield module()
    functions = []
    emitted = []
    bytes = 0
  }
  if (emitted.length > 0) yield module()
}
