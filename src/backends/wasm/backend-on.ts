/** The backend on an open device. */
import { shownAs } from '../../ir/shown.ts'
import { fusionKinds, genericBudget, genericCost, ieeeOps, type TargetInfo } from '../../ir/target.ts'
import { decomposeOps } from '../../passes/decompose.ts'
import { fusion } from '../../passes/fusion/index.ts'
import type { Backend, Store } from '../backend.ts'
import { makeVariableStore } from '../common/variable-store.ts'
import { type Arena, makeArena } from './arena.ts'
import { compositeOps } from './bodies.ts'
import { compileProgram } from './compile-program.ts'
import { wasmMemory } from './memory.ts'
import { type DeviceOptions, startDevice, type WasmDevice } from './runtime/device.ts'
import { type Block, slackBytes } from './runtime/space.ts'

const target: TargetInfo = {
  name: 'wasm',
  halfTypes: ['bfloat16', 'float16'], // bfloat16 needs no loss scale, and is a shift
  wideOutputs: false,
  fastHalfDepthwise: false,
  exactOps: ieeeOps,
  fusions: fusionKinds,
  fusedActivations: [],
  memory: { alignment: 64, arenaBytesMax: 2 ** 32 - 2 * slackBytes, exclusiveWrites: false },
  cost: genericCost,
  fusionBudget: genericBudget,
}

/** A backend whose threads may still be starting: the passes of compile() run meanwhile. @throws EffuseError as startDevice() */
export const startBackend = async (options: DeviceOptions = {}): Promise<Backend> =>
  backendOn(await startDevice(options)) as Backend

export const backendOn = (device: WasmDevice): Backend<Block> => {
  const memory = wasmMemory(device)
  const arenas = new WeakMap<Store<Block>, Arena>()
  const arenaOf = (store: Store<Block>): Arena => {
    const arena = arenas.get(store) ?? makeArena(device.space)
    arenas.set(store, arena)
    return arena
  }
  const simd = device.relaxedSimd ? 'relaxed SIMD' : 'SIMD'
  const backend: Backend<Block> = {
    name: 'wasm',
    target,
    device,
    get fingerprint() {
      const { threads } = device.runner
      return `wasm, ${simd}, ${threads} thread${threads === 1 ? '' : 's'}`
    },
    lost: device.lost,
    legalize: [decomposeOps(compositeOps)],
    fuse: [fusion],
    createStore: () => makeVariableStore(memory),
    adopt: () => null,
    compile: (program, store, cx) => compileProgram(program, arenaOf(store), cx, { device, memory: target.memory }),
    dispose: () => device.dispose(),
  }
  return shownAs(backend, () => 'Backend "wasm"; compile(model, { backend }) runs a model on it')
}
