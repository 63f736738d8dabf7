/**
 * Gets a tfjs-core backend instance without touching the user's: tf.getBackend() and the choice that tf.ready() would make stay as they are.
 * There is one instance per name and process, also for the user: a package's kernels know only the instance they were set up for last.
 */
import { importOptional, provideWebgpu } from '#platform'
import { EffuseError } from '../../ir/diagnostics.ts'
import { findWasm, serveHint } from './find-wasm.ts'
import { findAdapter } from './webgpu/find-adapter.ts'
import { isWebgpu } from './webgpu/shader.ts'
import type { KernelBackend, TfjsCore, TfjsEngine, WasmPaths } from './tfjs-types.ts'

export interface Opened {
  readonly tf: TfjsCore
  readonly name: string
  readonly backend: KernelBackend
}

/** Packages that effuse adds by itself; other backends the user registers. */
const packages: { readonly [name: string]: () => Promise<unknown> } = {
  wasm: () => import('@tensorflow/tfjs-backend-wasm'),
  cpu: () => import('@tensorflow/tfjs-backend-cpu'),
  // Pages import it themselves, or a bundler would look for it in every program that uses effuse/tfjs.
  webgpu: () => importOptional('@tensorflow/tfjs-backend-webgpu'),
}

/**
 * The instance of a registered backend, or of one whose package is installed.
 * @throws EffuseError EF404 with the command that adds what is missing.
 */
export const openNamed = async (name: string, wasmPaths: WasmPaths | undefined): Promise<Opened> => {
  const tf = await importCore(name)
  const opening = inProgress.get(name) ?? startOpening(tf, name, wasmPaths)
  inProgress.set(name, opening)
  try {
    return { tf, name, backend: await opening }
  } finally {
    inProgress.delete(name)
  }
}

/** Has tfjs such a backend, by a package that somebody imported? */
export const isRegistered = async (name: string): Promise<boolean> =>
  (await importCore(name)).engine().registryFactory[name] !== undefined

/** An instance that the user made and registered. */
export const openInstance = async (backend: KernelBackend): Promise<Opened> => {
  const tf = await importCore('cpu')
  const { registry, registryFactory } = tf.engine()
  const name = Object.entries(registry).find(([, known]) => known === backend)?.[0]
  if (name === undefined && isWebgpu(backend)) {
    if (registry['webgpu'] !== undefined)
      throw new EffuseError({
        code: 'EF404',
        message: "tfjs's WebGPU backend runs on another device in this process already, and has one",
        hint: "take that one, createTfjsBackend({ backend: 'webgpu' }), or pass yours before anything uses tf.setBackend('webgpu')",
      })
    registry['webgpu'] = backend
    registryFactory['webgpu'] = { factory: () => backend, priority: 0 }
    forgetWhenLost(tf.engine(), backend, undefined)
    return { tf, name: 'webgpu', backend }
  }
  if (name === undefined) {
    throw new EffuseError({
      code: 'EF404',
      message: 'the tfjs backend given is not one that this copy of @tensorflow/tfjs-core has registered',
      hint: 'pass its name instead, or tf.backend() of the same copy of tfjs-core',
    })
  }
  return { tf, name, backend }
}

const inProgress = new Map<string, Promise<KernelBackend>>()

const startOpening = async (tf: TfjsCore, name: string, wasmPaths: WasmPaths | undefined): Promise<KernelBackend> => {
  const engine = tf.engine()
  await pendingOf(engine)
  const known = engine.registry[name]
  if (known !== undefined) {
    forgetWhenLost(engine, known, engine.registryFactory[name]?.factory)
    return known
  }
  if (name === 'webgpu') {
    await findAdapter()
    await provideWebgpu()
  }
  const loaded = await importPackage(engine, name)
  const places = await locate(loaded, name, wasmPaths)
  const entry = engine.registryFactory[name]
  if (entry === undefined) {
    throw new EffuseError({
      code: 'EF404',
      message: `tfjs has no backend "${name}"; it has ${Object.keys(engine.registryFactory).join(', ') || 'none'}`,
      hint:
        name === 'webgpu'
          ? 'import @tensorflow/tfjs-backend-webgpu after navigator.gpu is there: it registers itself only then'
          : 'import the package that registers it first',
    })
  }
  const { factory } = entry
  const fresh = await makeInstance(name, factory, places)
  await pendingOf(engine)
  // The user may have started the same backend meanwhile: then the kernels know that instance.
  const theirs = engine.registry[name]
  if (theirs !== undefined) return theirs
  engine.registry[name] = fresh
  entry.factory = () => fresh
  forgetWhenLost(engine, fresh, factory)
  for (const kernel of tf.getKernelsForBackend(name)) kernel.setupFunc?.(fresh)
  return fresh
}

type Factory = TfjsEngine['registryFactory'][string]['factory']

/** A device that is lost does not come back: whoever opens the backend again gets a new one. */
const forgetWhenLost = (engine: TfjsEngine, backend: KernelBackend, factory: Factory | undefined): void => {
  if (!isWebgpu(backend)) return
  void backend.device.lost.then(() => {
    if (engine.registry['webgpu'] !== backend) return
    Reflect.deleteProperty(engine.registry, 'webgpu')
    const entry = engine.registryFactory['webgpu']
    if (entry !== undefined && factory !== undefined) entry.factory = factory
    else Reflect.deleteProperty(engine.registryFactory, 'webgpu')
  })
}

/** tfjs's own initialisation under way, if any: starting another one would make it give up. */
const pendingOf = async (engine: TfjsEngine): Promise<void> => {
  await (engine as { readonly pendingBackendInit?: Promise<unknown> | null }).pendingBackendInit // private in tfjs's types
}

const makeInstance = async (
  name: string,
  factory: () => KernelBackend | Promise<KernelBackend>,
  places: readonly string[],
): Promise<KernelBackend> => {
  const restore = keepProcessListeners()
  try {
    const backend = await factory()
    // The cpu backend greets at its first tensor.
    if ('firstUse' in backend) backend.firstUse = false
    return backend
  } catch (cause) {
    const detail =
      cause instanceof Error
        ? cause.message
        : String((cause as { readonly message?: unknown } | null)?.message ?? cause)
    throw new EffuseError({
      code: 'EF404',
      message: `the tfjs backend "${name}" did not start: ${detail.split('\n')[0] ?? ''}`,
      cause,
      hint: name !== 'wasm' ? undefined : places.length > 0 ? serveHint(places) : wasmPathsHint,
    })
  } finally {
    restore()
  }
}

/** tfjs-backend-wasm adds listeners to Node's process that rethrow every rejection; they are none of a library's business. */
const keepProcessListeners = (): (() => void) => {
  const { process } = globalThis as {
    readonly process?: { listeners(event: string): unknown[]; off(event: string, listener: unknown): void }
  }
  if (typeof process?.listeners !== 'function') return () => {}
  const events = ['uncaughtException', 'unhandledRejection']
  const before = events.map((event) => new Set(process.listeners(event)))
  return () =>
    events.forEach((event, i) => {
      for (const listener of process.listeners(event))
        if (before[i]?.has(listener) === false) process.off(event, listener)
    })
}

const importCore = async (name: string): Promise<TfjsCore> => {
  try {
    return (await import('@tensorflow/tfjs-core')) as TfjsCore // the real declarations are wider
  } catch (cause) {
    throw missing(name, cause)
  }
}

const wasmPathsHint = 'where the .wasm files lie elsewhere, say so with wasmPaths'

interface LoadedPackage {
  readonly setWasmPaths?: (paths: WasmPaths) => void
}

const importPackage = async (engine: TfjsEngine, name: string): Promise<LoadedPackage> => {
  const load = packages[name]
  const wasRegistered = engine.registryFactory[name] !== undefined
  // A page has imported it by itself, and cannot by name; only wasm's has settings.
  if (load === undefined || (wasRegistered && name !== 'wasm')) return {}
  const loaded = (await load().catch((cause: unknown) => {
    throw missing(name, cause)
  })) as LoadedPackage
  const entry = engine.registryFactory[name]
  // Importing the package must not make tf.ready() choose it.
  if (!wasRegistered && entry !== undefined) entry.priority = 0
  return loaded
}

/** Says where the .wasm files are. Gives the places of a page where they are not. */
const locate = async (
  { setWasmPaths }: LoadedPackage,
  name: string,
  wasmPaths: WasmPaths | undefined,
): Promise<readonly string[]> => {
  if (wasmPaths !== undefined) setPaths(setWasmPaths, wasmPaths)
  if (name !== 'wasm' || wasmPaths !== undefined) return []
  const { folder, places } = await findWasm()
  if (folder === null) return places
  setPaths(setWasmPaths, folder)
  return []
}

const setPaths = (set: ((paths: WasmPaths) => void) | undefined, wasmPaths: WasmPaths): void => {
  try {
    set?.(wasmPaths)
  } catch (cause) {
    throw new EffuseError({
      code: 'EF404',
      message: `tfjs does not take these wasmPaths: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: 'a folder ending in a slash, or a path for each .wasm file; after a failed start tfjs takes no others in this process',
      cause,
    })
  }
}

const missing = (name: string, cause: unknown): EffuseError =>
  new EffuseError({
    code: 'EF404',
    message: `the tfjs backend "${name}" needs packages that are not installed: ${cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)}`,
    hint: `npm install @tensorflow/tfjs-core@4 @tensorflow/tfjs-backend-${name}@4${name === 'webgpu' ? "; a page has to import '@tensorflow/tfjs-backend-webgpu' itself, before this call" : ''}`,
    cause,
  })
