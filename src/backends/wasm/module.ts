/**
 * One WebAssembly module for many kernels: each phase is an exported function over an imported memory.
 *
 * A phase's function takes, all i32: the address in bytes of each buffer of the kernel in their order, the address of this thread's scratch memory, the
 * address of the run's context, and the range [first, end) of units that this call computes (0 <= first < end <= units). Buffers and the context are
 * aligned to 16 bytes, packed operands and scratch memory to 64. Calls on disjoint ranges may run at the same time; no result depends on how the units
 * are divided. Up to 64 bytes past the end of a buffer may be read, never written.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import { applyScalar } from '../codegen/kernel/scalar.ts'
import type { Kernel, ScalarOp } from '../codegen/kernel/kernel.ts'
import { loopsOf } from '../codegen/loops/from-kernel.ts'
import type { Schedule } from '../codegen/loops/schedule.ts'
import { emitPhase } from './emit.ts'
import { type Callee, encodeModule, type FunctionBody, type ValueType } from './encoder.ts'

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
    /** Random streams by number. */
    readonly streams: readonly string[]
  }[]
  /** The functions of the import `host`: ops that have no instructions. */
  readonly hostFunctions: { readonly [op: string]: (...args: number[]) => number }
}

/**
 * Deterministic: equal kernels and schedules give equal bytes. `sharedMemory`: whether the memory that is imported is shared.
 *
 * @throws EffuseError EF405 for half types, which have no kernels yet.
 */
export const emitModule = (
  kernels: readonly ScheduledKernel[],
  { sharedMemory }: { readonly sharedMemory: boolean },
): EmittedModule => {
  const functions: (readonly [name: string, body: FunctionBody])[] = []
  const hostFunctions: { [op: string]: (...args: number[]) => number } = {}
  const hostFunction = (op: ScalarOp, arity: number): Callee => {
    hostFunctions[op] = (...args) =>
      applyScalar(
        { op, attrs: {}, dtype: 'float32' },
        args.map((value) => ({ value, dtype: 'float32' })),
      )
    const params = new Array<ValueType>(arity).fill('f32')
    return { kind: 'import', module: 'host', name: op, signature: { params, result: 'f32' } }
  }
  const emitted = kernels.map(({ kernel: { buffers, phases }, schedules }, at) => {
    const half = buffers.find(({ dtype }) => dtype === 'float16' || dtype === 'bfloat16')
    if (half !== undefined)
      throw new EffuseError({ code: 'EF405', message: `generated WebAssembly has no kernels for ${half.dtype} yet` })
    const streams: string[] = []
    const streamNumber = (stream: string): number => {
      if (!streams.includes(stream)) streams.push(stream)
      return streams.indexOf(stream)
    }
    return {
      phases: phases.map((phase, i): EmittedPhase => {
        const name = `kernel${at}_phase${i}`
        const loops = loopsOf(phase, schedules[i])
        functions.push([name, emitPhase(loops, buffers, { hostFunction, streamNumber })])
        return { name, units: 1, scratchBytes: 0 }
      }),
      streams,
    }
  })
  return { bytes: encodeModule({ functions, sharedMemory }), kernels: emitted, hostFunctions }
}
