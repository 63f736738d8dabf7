/** Makes a backend of the compiler from an open instance of tfjs. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { nodesOf } from '../../ir/graph.ts'
import { shownAs } from '../../ir/shown.ts'
import { genericBudget, genericCost, ieeeOps, type TargetInfo } from '../../ir/target.ts'
import { type Graph, isHalf } from '../../ir/types.ts'
import { decomposeOps } from '../../passes/decompose.ts'
import type { Pass } from '../../passes/pass.ts'
import { graphsOf, type Program } from '../../passes/program.ts'
import type { Backend, Engine } from '../backend.ts'
import { makeVariableStore } from '../common/variable-store.ts'
import { deviceOf, type Device } from './device.ts'
import { fuseTfjs } from './fuse-tfjs.ts'
import { usersKernel } from './lower/users-kernel.ts'
import { decomposedOps, loopOps, lowerNode } from './lowering-table.ts'
import { adoptTensor, tfjsMemory } from './memory.ts'
import { openNamed, type Opened } from './open.ts'
import { makeRunnable } from './runnable.ts'
import type { DataId } from './tfjs-types.ts'

/** A backend whose entry's probe() has found it available. @throws EffuseError EF404 where it does not start */
export const openProbed = async (name: string): Promise<Backend<DataId>> =>
  backendOn(await openNamed(name, { isAdapterKnown: true }), false)

export const backendOn = (opened: Opened, emulateHalf: boolean): Backend<DataId> => {
  const device = deviceOf(opened)
  const name = `tfjs-${device.name}`
  const engine = engineOf(device, emulateHalf)
  const backend: Backend<DataId> = {
    ...engine,
    name,
    device,
    fingerprint: `${name} ${device.tf.version_core}`,
    lost: device.end.loss,
    // Rounding in place needs memory that JavaScript can access.
    emulatingHalf: device.host === null ? undefined : engineOf(device, true),
    createStore: () => makeVariableStore(tfjsMemory(device)),
    adopt: (tensor, type) => adoptTensor(tensor, type, device),
    // The instance belongs to tfjs and may have other users. Stores and runnables free their own buffers.
    dispose: () => {},
  }
  return shownAs(backend, () => `Backend "${name}"; compile(model, { backend }) runs a model on it`)
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
    cost: genericCost,
    fusionBudget: genericBudget,
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
