/**
 * Opens a tfjs-core backend without changing the user's: tf.getBackend() and the choice of tf.ready() stay the same. The user and effuse share one
 * instance per name and process, because a package's kernels refer only to the instance that was set up last.
 */
import { importOptional, nextTurn, provideWebgpu } from '#platform'
import { EffuseError } from '../../ir/diagnostics.ts'
import { endOf } from './end.ts'
import { findWasm, serveHint } from './find-wasm.ts'
import { checkLimits, findAdapter } from './webgpu/find-adapter.ts'
import { isWebgpu } from './webgpu/shader.ts'
import type { KernelBackend, TfjsCore, TfjsEngine, TfjsFactory, WasmPaths } from './tfjs-types.ts'

export interface Opened {
  readonly tf: TfjsCore
  readonly name: string
  readonly backend: KernelBackend
}

/** Packages that effuse imports itself. Users register other backends. */
const packages: { readonly [name: string]: () => Promise<unknown> } = {
  wasm: () => import('@tensorflow/tfjs-backend-wasm'),
  cpu: () => import('@tensorflow/tfjs-backend-cpu'),
  // Pages import it themselves, because otherwise bundlers would require it in every program that uses effuse/tfjs.
  webgpu: () => importOptional('@tensorflow/tfjs-backend-webgpu'),
}

export interface Opening {
  readonly wasmPaths?: WasmPaths | undefined
  /** Whether the caller has just checked the WebGPU adapter. */
  readonly isAdapterKnown?: boolean
}

/**
 * The instance of a registered backend, or of one whose package is installed.
 * @throws EffuseError EF404 with the command that installs what is missing.
 */
export const openNamed = async (name: string, how: Opening = {}): Promise<Opened> => {
  const tf = await importCore(name)
  const opening = inProgress.get(name) ?? startOpening(tf, name, how)
  inProgress.set(name, opening)
  try {
    return checked({ tf, name, backend: await opening })
  } finally {
    inProgress.delete(name)
  }
}

/** Checks a device of the user, whose limits may be smaller than those of its adapter. */
const checked = (opened: Opened): Opened => {
  const { backend } = opened
  if (isWebgpu(backend))
    checkLimits(
      "the device of tfjs's WebGPU backend",
      backend.device.limits,
      'requestDevice({ requiredLimits }) gives a device what its adapter has',
    )
  return opened
}

/** Has a package that was imported registered such a backend in tfjs? */
export const isRegistered = async (name: string): Promise<boolean> =>
  (await importCore(name)).engine().registryFactory[name] !== undefined

/** An instance that the user made and registered. */
export const openInstance = async (backend: KernelBackend): Promise<Opened> => {
  const tf = await importCore('cpu')
  const { registry } = tf.engine()
  const name = Object.entries(registry).find(([, known]) => known === backend)?.[0]
  if (name !== undefined) return checked({ tf, name, backend })
  if (!isWebgpu(backend))
    throw new EffuseError({
      code: 'EF404',
      message: 'the tfjs backend given is not one that this copy of @tensorflow/tfjs-core has registered',
      hint: 'pass its name instead, or tf.backend() of the same copy of tfjs-core',
    })
  if (registry['webgpu'] !== undefined)
    throw new EffuseError({
      code: 'EF404',
      message: "tfjs's WebGPU backend already runs on another device in this process, and can have only one",
      hint: "use that one, createTfjsBackend({ backend: 'webgpu' }), or pass yours before any code calls tf.setBackend('webgpu')",
    })
  const opened = checked({ tf, name: 'webgpu', backend })
  register(tf.engine(), opened)
  return opened
}

const inProgress = new Map<string, Promise<KernelBackend>>()

const startOpening = async (
  tf: TfjsCore,
  name: string,
  { wasmPaths, isAdapterKnown = false }: Opening,
): Promise<KernelBackend> => {
  const engine = tf.engine()
  await pendingOf(engine)
  const known = engine.registry[name]
  if (known !== undefined) {
    forgetWhenLost(engine, name, known)
    return known
  }
  if (name === 'webgpu') {
    if (!isAdapterKnown) await findAdapter()
    await provideWebgpu()
  }
  const loaded = await importPackage(engine, name)
  const places = await locate(loaded, name, wasmPaths)
  const factory = factoryOf(tf, name)
  if (factory === undefined) {
    throw new EffuseError({
      code: 'EF404',
      message: `tfjs has no backend "${name}"; it has ${Object.keys(engine.registryFactory).join(', ') || 'none'}`,
      hint:
        name === 'webgpu'
          ? '@tensorflow/tfjs-backend-webgpu registers itself only if navigator.gpu exists when it is imported: in Node do not import it, because createTfjsBackend() imports it in time'
          : 'import the package that registers it first',
    })
  }
  const fresh = await makeInstance(name, factory, places)
  await pendingOf(engine)
  // The user may have started the same backend in the meantime; the kernels then refer to that instance.
  const theirs = engine.registry[name]
  if (theirs !== undefined) return theirs
  register(engine, { name, backend: fresh })
  for (const kernel of tf.getKernelsForBackend(name)) kernel.setupFunc?.(fresh)
  return fresh
}

/** The factories of packages. A package registers its factory once, and tf.removeBackend() removes it. */
const factories = new Map<string, TfjsFactory>()

const factoryOf = (tf: TfjsCore, name: string): TfjsFactory | undefined => {
  const { registryFactory } = tf.engine()
  const known = factories.get(name)
  if (registryFactory[name] === undefined && known !== undefined) tf.registerBackend(name, known, 0)
  const factory = registryFactory[name]?.factory
  if (factory !== undefined && packages[name] !== undefined) factories.set(name, factory)
  return factory
}

/** Registers the instance in tfjs under its name. */
const register = (engine: TfjsEngine, { name, backend }: Pick<Opened, 'name' | 'backend'>): void => {
  const { registry, registryFactory } = engine
  const before = registryFactory[name]
  const ours = { factory: () => backend, priority: before?.priority ?? 0 }
  registry[name] = backend
  registryFactory[name] = ours
  endOf(backend).onEnd(() => {
    if (registryFactory[name] !== ours) return
    if (before === undefined) Reflect.deleteProperty(registryFactory, name)
    else registryFactory[name] = before
  })
  forgetWhenLost(engine, name, backend)
}

/** Removes the instance when its device is lost, so that the next open() gets a new one. */
const forgetWhenLost = ({ registry }: TfjsEngine, name: string, backend: KernelBackend): void => {
  endOf(backend).onEnd(() => {
    if (registry[name] === backend) Reflect.deleteProperty(registry, name)
  })
}

/** Waits for a pending initialisation of tfjs, because starting another one would cancel it. */
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
    // The cpu backend prints a greeting at its first tensor.
    if ('firstUse' in backend) backend.firstUse = false
    if (isWebgpu(backend)) await ensureStarted(backend)
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
      hint: startHint(name, places),
    })
  } finally {
    restore()
  }
}

/** A driver can return a device that is already lost, and reports that in a later turn of the event loop. */
const ensureStarted = async (backend: KernelBackend): Promise<void> => {
  const end = endOf(backend)
  await nextTurn()
  const reason = end.reason()
  if (reason !== null) throw new Error(`its device was lost at once: ${reason}`)
}

/** Removes the listeners that tfjs-backend-wasm adds to Node's process, which rethrow every rejection. A library must not do so. */
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

const startHint = (name: string, places: readonly string[]): string | undefined => {
  if (name === 'webgpu')
    return "update the graphics driver, or start the browser again; else createTfjsBackend({ backend: 'wasm' })"
  if (name !== 'wasm') return undefined
  return places.length > 0 ? serveHint(places) : wasmPathsHint
}

const wasmPathsHint = 'if the .wasm files are in another place, set wasmPaths'

interface LoadedPackage {
  readonly setWasmPaths?: (paths: WasmPaths) => void
}

const importPackage = async (engine: TfjsEngine, name: string): Promise<LoadedPackage> => {
  const load = packages[name]
  const wasRegistered = engine.registryFactory[name] !== undefined
  // A page has imported the package itself. Only wasm's has settings.
  if (load === undefined || (wasRegistered && name !== 'wasm')) return {}
  const loaded = (await load().catch((cause: unknown) => {
    throw missing(name, cause)
  })) as LoadedPackage
  const entry = engine.registryFactory[name]
  // With priority 0, importing the package does not make tf.ready() choose it.
  if (!wasRegistered && entry !== undefined) entry.priority = 0
  return loaded
}

/** Tells tfjs where the .wasm files are. Returns the places of a page that do not have them. */
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
      message: `tfjs does not accept these wasmPaths: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: 'pass a folder that ends in a slash, or a path for each .wasm file; after a failed start tfjs accepts no others in this process',
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
