/** The tfjs backend (`effuse/tfjs`): runs a program op by op and calls tfjs-core's kernels directly. */
import { mayHaveGpu } from '#platform'
import { type Check, checkRecord, isObject, flag } from '../../ir/check-record.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import { nodesOf } from '../../ir/graph.ts'
import { ieeeOps, type TargetInfo } from '../../ir/target.ts'
import type { Graph } from '../../ir/types.ts'
import { decomposeOps } from '../../passes/decompose.ts'
import type { Pass } from '../../passes/pass.ts'
import { graphsOf, type Program } from '../../passes/program.ts'
import type { Backend, Engine } from '../backend.ts'
import { makeVariableStore } from '../common/variable-store.ts'
import { makeDevice, type Device } from './device.ts'
import { fuseTfjs } from './fuse-tfjs.ts'
import { decomposedOps, loopOps, lowerNode } from './lowering-table.ts'
import { usersKernel } from './lower/users-kernel.ts'
import { isRegistered, openInstance, openNamed, type Opened } from './open.ts'
import { isHalf } from './planner.ts'
import { adoptTensor, tfjsMemory } from './memory.ts'
import { makeRunnable } from './runnable.ts'
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
  const device = makeDevice(await open(options))
  const name = `tfjs-${device.name}`
  const engine = engineOf(device, options.emulateHalf ?? false)
  return {
    ...engine,
    name,
    device,
    fingerprint: `${name} ${device.tf.version_core}`,
    lost: device.lost,
    // Rounding in place needs memory that JavaScript can access.
    emulatingHalf: device.host === null ? undefined : engineOf(device, true),
    createStore: () => makeVariableStore(tfjsMemory(device)),
    adopt: (tensor, type) => adoptTensor(tensor, type, device),
    // The instance belongs to tfjs and may have other users. Stores and runnables free their own buffers.
    dispose: () => {},
  }
}

const checks: { readonly [K in keyof Required<TfjsOptions>]: Check } = {
  backend: ["'auto', the name of a tfjs backend or its instance", (v) => typeof v === 'string' || isObject(v)],
  wasmPaths: ['a folder, or a path per file', (v) => typeof v === 'string' || isObject(v)],
  emulateHalf: flag,
}

const engineOf = (device: Device, emulateHalf: boolean): Engine<DataId> => {
  const target: TargetInfo = {
    name: `tfjs-${device.name}`,
    halfTypes: emulateHalf ? ['float16', 'bfloat16'] : [],
    wideOutputs: emulateHalf,
    fastHalfDepthwise: false,
    exactOps: device.kind === 'webgpu' ? [] : ieeeOps, // WGSL divides within 2.5 units, and may reorder

    fusions: ['contraction'],
    fusedActivations: ['relu', 'relu6', 'elu', 'sigmoid'],
    memory: {
      alignment: 16,
      arenaBytesMax: device.kind === 'wasm' ? 2 ** 32 - 1 : Number.MAX_SAFE_INTEGER,
      exclusiveWrites: device.kind === 'webgpu',
    },
  }
  return {
    target,
    legalize: legalizeFor(device),
    fuse: [fuseTfjs],
    compile: async (program, _store, cx) => {
      if (!emulateHalf) refuseHalf(program, device)
      return makeRunnable(program, cx, { device, emulateHalf, lowerNode })
    },
  }
}

const open = async ({ backend = 'auto', wasmPaths }: TfjsOptions): Promise<Opened> => {
  if (typeof backend !== 'string') return openInstance(backend)
  if (backend !== 'auto') return openNamed(backend, wasmPaths)
  // A caller who sets wasmPaths wants wasm.
  const gpu = wasmPaths === undefined ? await openGpu() : null
  if (gpu !== null) return gpu
  try {
    return await openNamed('wasm', wasmPaths)
  } catch (error) {
    if (!(error instanceof EffuseError) || error.code !== 'EF404' || wasmPaths !== undefined) throw error
    const slower = await openNamed('cpu', undefined)
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
    return await openNamed('webgpu', undefined)
  } catch (error) {
    if (error instanceof EffuseError && error.code === 'EF404') return null
    throw error
  }
}

/** For larger results the many kernels of the decomposition are faster than a loop, which takes 4 to 8 ns per element on wasm. */
const wasmLoopMax = 1 << 12

const legalizeFor = (device: Device): readonly Pass[] => [
  decomposeOps(device.kind === 'other' ? [...decomposedOps(device), ...loopOps] : decomposedOps(device), {
    isKept: (node) => usersKernel(node, device) !== null,
  }),
  ...(device.kind === 'wasm' ? [decomposeOps(loopOps, { above: wasmLoopMax })] : []),
]

/** Rejects half types. tfjs computes in float32, so they would silently be more precise than declared. */
const refuseHalf = (program: Program, { name }: Device): void => {
  for (const graph of graphsOf(program)) {
    const node = firstHalf(graph)
    if (node === undefined) continue
    throw new EffuseError({
      code: 'EF405',
      path: node.path,
      message: `${node.path === '' ? '' : `${node.path}: `}${node.op} has the type ${node.types.map((type) => type.dtype).join(', ')}, and tfjs-${name} computes in float32`,
      hint: 'make the backend with createTfjsBackend({ emulateHalf: true }) to round after each op',
    })
  }
}

const firstHalf = (graph: Graph) => nodesOf(graph).find((node) => node.types.some(({ dtype }) => isHalf(dtype)))

export { type TfjsDeviation, tfjsDeviations } from './deviations.ts'
export { toTensor, type TensorHandle } from './to-tensor.ts'
export type { KernelBackend, WasmPaths } from './tfjs-types.ts'
