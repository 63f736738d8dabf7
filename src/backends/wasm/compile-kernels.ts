/**
 * Emits the kernels of a program and compiles them. They are in several modules, so that the engine compiles one in its own threads while the next is
 * emitted.
 */
import { compileWasm, nextTurn } from '#platform'
import type { KernelLibrary } from './kernel-library.ts'
import type { EmitOptions, EmittedKernel, PhaseCall } from './module.ts'

export interface CompiledKernel extends EmittedKernel {
  /** The number of its module. */
  readonly module: number
}

export interface CompiledKernels {
  /** By number. */
  readonly kernels: readonly CompiledKernel[]
  readonly modules: readonly WebAssembly.Module[]
}

/** @throws EffuseError EF405 */
export const compileKernels = async (
  library: KernelLibrary,
  options: EmitOptions,
  signal: AbortSignal | undefined,
): Promise<CompiledKernels> => {
  const kernels: CompiledKernel[] = []
  const compiling: Promise<WebAssembly.Module>[] = []
  for (const { bytes, kernels: emitted } of library.emit(options)) {
    for (const kernel of emitted) kernels[kernel.number] = { ...kernel, module: compiling.length }
    const module = compileWasm(bytes)
    module.catch(() => {}) // the error is thrown below, unless the emission of a later module fails first
    compiling.push(module)
    await nextTurn() // engines begin to compile when the event loop runs
    signal?.throwIfAborted()
  }
  for (const { number, as, phases } of library.shared) {
    const owner = kernels[as] as CompiledKernel // it is in a module
    const calls = owner.phases.map((phase, i) => ({ ...phase, ...(phases[i] as PhaseCall) })) // it has the same phases
    kernels[number] = { ...owner, number, phases: calls }
  }
  return { kernels, modules: await Promise.all(compiling) }
}
