/** The tfjs backend (`effuse/tfjs`): runs a program op by op and calls tfjs-core's kernels directly. */
import { mayHaveGpu } from '#platform'
import { type Check, checkRecord, isObject, flag } from '../../ir/check-record.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Backend } from '../backend.ts'
import { backendOn } from './create.ts'
import { isRegistered, openInstance, openNamed, type Opened } from './open.ts'
import type { DataId, KernelBackend, WasmPaths } from './tfjs-types.ts'
import { probeWebgpu } from './webgpu/probe.ts'

export interface TfjsOptions {
  /**
   * 'auto' (default): 'webgpu' if its package is installed and WebGPU reaches a GPU, else 'wasm', else 'cpu' with a warning on the console. Or the name
   * of any backend that is registered in tfjs-core, or its instance.
   */
  readonly backend?: 'auto' | 'webgpu' | 'wasm' | 'cpu' | (string & {}) | KernelBackend | undefined
  /**
   * The place of the .wasm files: a folder that ends in a slash, or a path per file. Default in Node: the package; in a page: beside the script,
   * beside the page, or at the site's root, whichever has them. It has no effect if tfjs's wasm backend already runs.
   */
  readonly wasmPaths?: WasmPaths | undefined
  /** Emulates half types by rounding float32 after each op: exact and slow, for tests of mixed precision. Default false: half types are rejected. */
  readonly emulateHalf?: boolean | undefined
}

/**
 * A backend on tfjs-core. It does not change the user's tf.getBackend(). Tensors of the same tfjs backend are fed without a copy.
 *
 * @throws EffuseError EF404 if packages are missing, with the command that installs them; EF403 (options).
 * @example
 * const net = await compile(model, { backend: await createTfjsBackend({ backend: 'wasm' }) })
 */
export const createTfjsBackend = async (options: TfjsOptions = {}): Promise<Backend<DataId>> => {
  checkRecord('createTfjsBackend()', '', options, checks)
  return backendOn(await open(options), options.emulateHalf ?? false)
}

const checks: { readonly [K in keyof Required<TfjsOptions>]: Check } = {
  backend: ["'auto', the name of a tfjs backend or its instance", (v) => typeof v === 'string' || isObject(v)],
  wasmPaths: ['a folder, or a path per file', (v) => typeof v === 'string' || isObject(v)],
  emulateHalf: flag,
}

const open = async ({ backend = 'auto', wasmPaths }: TfjsOptions): Promise<Opened> => {
  if (typeof backend !== 'string') return openInstance(backend)
  if (backend !== 'auto') return openNamed(backend, { wasmPaths })
  // A caller who sets wasmPaths wants wasm.
  const gpu = wasmPaths === undefined ? await openGpu() : null
  if (gpu !== null) return gpu
  try {
    return await openNamed('wasm', { wasmPaths })
  } catch (error) {
    if (!(error instanceof EffuseError) || error.code !== 'EF404' || wasmPaths !== undefined) throw error
    const slower = await openNamed('cpu')
    console.warn(
      `effuse: tfjs computes in plain JavaScript, many times slower than in WebAssembly: ${error.message}; ${error.hint ?? ''}`,
    )
    return slower
  }
}

/** Null if there is no GPU, or if its package is not installed. */
const openGpu = async (): Promise<Opened | null> => {
  if (!mayHaveGpu(await isRegistered('webgpu'))) return null
  const { isAvailable, isByNameOnly = false } = await probeWebgpu()
  if (!isAvailable || isByNameOnly) return null
  try {
    return await openNamed('webgpu', { isAdapterKnown: true })
  } catch (error) {
    if (error instanceof EffuseError && error.code === 'EF404') return null
    throw error
  }
}

export { type TfjsDeviation, tfjsDeviations } from './deviations.ts'
export { toTensor, type TensorHandle } from './to-tensor.ts'
export type { KernelBackend, WasmPaths } from './tfjs-types.ts'
