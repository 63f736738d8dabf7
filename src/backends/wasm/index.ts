/** The backend `wasm`: generates WebAssembly with vectors, and runs it on threads. `effuse/wasm`. */
import { compileWasm } from '#platform'
import { type Check, checkRecord } from '../../ir/check-record.ts'
import { opDef, opNames } from '../../ir/ops/index.ts'
import { shownAs } from '../../ir/shown.ts'
import { fusionKinds, genericBudget, genericCost, ieeeOps, type TargetInfo } from '../../ir/target.ts'
import { decomposeOps } from '../../passes/decompose.ts'
import { fusion } from '../../passes/fusion/index.ts'
import { graphSteps, type Program } from '../../passes/program.ts'
import type { Backend, CompileContext, Runnable, Store } from '../backend.ts'
import { crossingTypes } from '../common/run-steps.ts'
import { makeVariableStore } from '../common/variable-store.ts'
import { type Arena, makeArena } from './arena.ts'
import { bindStep, type BoundStep, unbindStep } from './bound-step.ts'
import { compileStep } from './compile-step.ts'
import { planDispatches } from './dispatch-list.ts'
import { makeKernelLibrary } from './kernel-library.ts'
import { wasmMemory } from './memory.ts'
import { makeRunnable } from './runnable.ts'
import { threadsMax } from './runtime/control.ts'
import { openDevice, type WasmDevice } from './runtime/device.ts'
import { type Block, slackBytes } from './runtime/space.ts'

export interface WasmOptions {
  /** How many threads compute; default: one for each core, at most 8. One where the page is not cross-origin isolated. */
  readonly threads?: number | undefined
  /** Where a page serves the threads' program (`workerSource`), if its content policy forbids workers from Blobs. */
  readonly workerUrl?: string | undefined
}

/**
 * A backend on generated WebAssembly, in Node and in pages.
 *
 * @throws EffuseError EF404 without WebAssembly or its vectors, EF409 where the system refuses the memory, EF403 (options).
 * @example
 * const net = await compile(model, { backend: await createWasmBackend({ threads: 2 }) })
 */
export const createWasmBackend = async (options: WasmOptions = {}): Promise<Backend<Block>> => {
  checkRecord('createWasmBackend()', '', options, checks)
  return backendOn(await openDevice(options))
}

export { workerSource } from './runtime/worker-source.ts'

const checks: { readonly [K in keyof Required<WasmOptions>]: Check } = {
  threads: [
    `a number of threads from 1 to ${threadsMax}`,
    (v) => Number.isInteger(v) && (v as number) >= 1 && (v as number) <= threadsMax,
  ],
  workerUrl: ['a URL', (v) => typeof v === 'string'],
}

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

/** Ops that are no primitives. */
const composites = opNames.filter((op) => opDef(op).decompose !== undefined || op === 'composite')

const backendOn = (device: WasmDevice): Backend<Block> => {
  const memory = wasmMemory(device)
  const arenas = new WeakMap<Store<Block>, Arena>()
  const arenaOf = (store: Store<Block>): Arena => {
    const arena = arenas.get(store) ?? makeArena(device.space)
    arenas.set(store, arena)
    return arena
  }
  const backend: Backend<Block> = {
    name: 'wasm',
    target,
    device,
    fingerprint: `wasm, ${device.runner.threads} threads`,
    lost: device.lost,
    legalize: [decomposeOps(composites)],
    fuse: [fusion],
    createStore: () => makeVariableStore(memory),
    adopt: () => null,
    compile: (program, store, cx) => compileProgram(program, arenaOf(store), cx, device),
    dispose: () => device.dispose(),
  }
  return shownAs(backend, () => 'Backend "wasm"; compile(model, { backend }) runs a model on it')
}

const compileProgram = async (
  program: Program,
  arena: Arena,
  cx: CompileContext,
  device: WasmDevice,
): Promise<Runnable<Block>> => {
  const library = makeKernelLibrary()
  const crossing = new Set(crossingTypes(program).keys())
  const planned = graphSteps(program).map(({ name, graph }, done, { length }) => {
    cx.signal?.throwIfAborted()
    const step = compileStep(graph, library)
    const plan = planDispatches(step, library, crossing, target.memory)
    cx.onProgress?.({ stage: 'plan', done: done + 1, total: length })
    return { name, step, plan }
  })
  const emitted = library.emit(device.isShared)
  cx.signal?.throwIfAborted()
  const module = await compileWasm(emitted.bytes)
  cx.signal?.throwIfAborted()
  const steps = new Map<string, BoundStep>()
  const ends: (() => void)[] = []
  const dispose = (): void => {
    for (const end of ends.splice(0)) end()
  }
  try {
    for (const { name, step, plan } of planned) {
      const bound = bindStep({ step, plan, emitted, module }, device)
      steps.set(name, bound)
      ends.push(() => unbindStep(bound, device), arena.use(plan.memory.arenaBytes))
    }
  } catch (error) {
    dispose()
    throw error
  }
  return makeRunnable({
    program,
    nameOf: cx.nameOf,
    device,
    steps,
    arena,
    notes: device.notes,
    memoryHint: () => undefined,
    dispose,
  })
}
