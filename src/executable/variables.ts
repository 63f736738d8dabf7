/** The variables of an executable, under their names in the declared model. */
import { hostArrayOf, type Backend, type HostArray, type Store } from '../backends/backend.ts'
import { onDevice } from './device-loss.ts'
import type { VariableSpec } from './variable-spec.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { globFilter } from '../ir/glob.ts'
import { trainingKey } from '../io/own-metadata.ts'
import { averagePrefix } from '../passes/train/moving-averages.ts'
import { isState } from '../passes/train/state.ts'
import { elements, isFloat, showType, type DType } from '../ir/types.ts'
import type { Arrays } from './results.ts'
import { readSource, sourceName, writeFileSafely, type WeightsSource } from './weights-source.ts'
import type { WeightsEntry } from './weights.ts'
import { shownAs, showTypes } from '../ir/shown.ts'
import { didYouMean } from '../ir/words.ts'

export interface VariableInfo {
  readonly shape: readonly number[]
  readonly dtype: DType
  readonly trainable: boolean
}

export interface Variables {
  /** All names, or those that match a glob (`*` within a part, `**` across, `!` negates), in the model's order. */
  names(glob?: string | readonly string[]): readonly string[]
  /** @throws EffuseError EF407 */
  describe(name: string): VariableInfo
  /** A copy of the values. @throws EffuseError EF407 (name), EF408 (another dtype requested) */
  get<D extends DType = 'float32'>(name: string, dtype?: D): Promise<Arrays[D]>
  /** Copies `data` in. @throws EffuseError EF407, EF408 */
  set(name: string, data: ArrayLike<number>): Promise<void>
  /** Writes a safetensors file (temporary file, then rename), or returns its bytes. It has all variables at one moment between runs. */
  save(path?: string, options?: SaveOptions): Promise<Uint8Array>
  /**
   * Reads safetensors, in the order of calls: later runs wait for the source. A source that itself waits for a later run never ends, for example
   * a Response whose body is made from that run's results; read it first. The file must have every variable, with its shape and dtype, and
   * nothing else. @throws EffuseError EF509 (damaged), EF505, with a list of all faults; then nothing has changed
   */
  load(source: WeightsSource, options?: LoadOptions): Promise<void>
  /**
   * The moving averages under the plain names. Reads and writes go to a variable's average if it has one, otherwise to the variable.
   * `compile(model, { variables: trainer.variables.averages })` runs the averaged network. @throws EffuseError EF407 if there are none
   */
  readonly averages: Variables
}
export interface SaveOptions {
  /** Text that the file keeps with the weights; effuse's own keys start with `effuse.`. */
  readonly metadata?: { readonly [key: string]: string } | undefined
}
export interface LoadOptions {
  /** Variables that keep their values, even if the file has others. */
  readonly except?: string | readonly string[] | undefined
  /** Whether to verify the checksums of a file that effuse wrote. Default true. */
  readonly verify?: boolean | undefined
}

/** The state behind a Variables, for sharing between executables. */
export interface VariablesHandle {
  readonly backend: Backend
  readonly store: Store
  readonly specs: ReadonlyMap<string, VariableSpec>
  /** The store's name of a variable; averages have other names. */
  readonly nameOf: (name: string) => string
  /** Counts the executables that use the store. The last one disposes of it. */
  readonly users: { count: number }
}
/** One more executable uses the store. @throws EffuseError EF406 if its last executable was disposed of, together with the values */
export const holdStore = (handle: VariablesHandle): void => {
  ensureAlive(handle)
  handle.users.count++
}
const ensureAlive = ({ users }: VariablesHandle): void => {
  if (users.count === 0)
    throw new EffuseError({
      code: 'EF406',
      message: 'these variables went with the last executable that used them, which was disposed of',
      hint: 'save() them, or compile what shares them, before dispose()',
    })
}
/** One executable less uses the store. The last one disposes of it. */
export const releaseStore = ({ users, store }: VariablesHandle): void => {
  users.count--
  if (users.count === 0) store.dispose()
}
/** The same variables; their files carry `metadata`. */
export const withSavedMetadata = (variables: Variables, metadata: { readonly [key: string]: string }): Variables => {
  const handle = handleOf(variables)
  return handle === null ? variables : makeVariables(handle, metadata)
}
/** safetensors: loaded on demand, because many pages only run. */
const loadWeights = () => import('./weights.ts')

const handles = new WeakMap<Variables, VariablesHandle>()
export const handleOf = (variables: unknown): VariablesHandle | null =>
  typeof variables === 'object' && variables !== null ? (handles.get(variables as Variables) ?? null) : null

export const makeVariables = (handle: VariablesHandle, metadata: { readonly [key: string]: string }): Variables => {
  const { backend, store, specs, nameOf } = handle
  const spec = (name: string): VariableSpec => {
    const found = specs.get(name)
    if (found === undefined)
      throw new EffuseError({
        code: 'EF407',
        message: `there is no variable "${name}"`,
        hint: specs.size === 0 ? 'the model has no variables' : didYouMean(name, [...specs.keys()]),
      })
    return found
  }
  /** The store's name of a variable whose values still exist. */
  const stored = (name: string): string => {
    ensureAlive(handle)
    return nameOf(name)
  }
  const variables: Variables = {
    names: (glob) => [...specs.keys()].filter(globFilter(glob ?? '**')),
    describe: (name) => {
      const { type, trainable } = spec(name)
      return { shape: type.shape, dtype: type.dtype, trainable }
    },
    get: async <D extends DType = 'float32'>(name: string, dtype?: D) => {
      const { type } = spec(name)
      const wanted = dtype ?? 'float32'
      if (type.dtype !== wanted)
        throw new EffuseError({
          code: 'EF408',
          message: `the variable "${name}" is ${type.dtype}, asked for ${wanted}`,
          hint: `variables.get("${name}", "${type.dtype}")`,
        })
      const as = stored(name)
      return (await onDevice(backend, () => store.read([as]))).get(as) as Arrays[D] // the store holds the declared dtype
    },
    set: async (name, data) => {
      const values = hostValues(spec(name), data)
      const as = stored(name)
      await onDevice(backend, () => store.write(new Map([[as, values]])))
    },
    save: async (path, options) => {
      // dispose() may run before the values arrive, so names are looked up only at the call.
      const names = new Map([...specs.keys()].map((name) => [name, stored(name)]))
      const values = await onDevice(backend, () => store.read([...names.values()]))
      const entries = [...specs.values()].map(
        ({ name, type }): WeightsEntry => ({ name, type, data: values.get(names.get(name) ?? name) as HostArray }), // all were read
      )
      const { encodeWeights } = await loadWeights()
      const bytes = encodeWeights(entries, { ...metadata, ...options?.metadata })
      if (path !== undefined) await writeFileSafely(path, bytes)
      return bytes
    },
    load: async (source, options) => {
      const kept = globFilter(options?.except ?? [])
      const wanted = [...specs.values()].filter(({ name }) => !kept(name))
      const { verify } = options ?? {}
      ensureAlive(handle)
      // The turn is taken now, before the source is read, to keep the order of calls.
      await store.turn(async (turn) => {
        const bytes = await readSource(source)
        const { decodeWeights } = await loadWeights()
        const values = await decodeWeights(bytes, wanted, kept, { fileName: sourceName(source), verify })
        await onDevice(backend, () => turn.write(new Map([...values].map(([name, data]) => [nameOf(name), data]))))
      })
    },
    get averages() {
      return averagesOf(handle, metadata)
    },
  }
  // Enumerating the object, as JSON.stringify does, must not create the averages.
  Object.defineProperty(variables, 'averages', { enumerable: false })
  shownAs(variables, () => {
    const types = [...specs.values()].map(({ name, type }) => ({ name, ...type }))
    return `Variables: ${showTypes(types)}; await variables.get(name) gives the numbers of one`
  })
  handles.set(variables, handle)
  return Object.freeze(variables)
}

/** The same store, with the names mapped to the averages. */
const averagesOf = (handle: VariablesHandle, metadata: { readonly [key: string]: string }): Variables => {
  const { specs } = handle
  const averaged = (name: string): string => (specs.has(`${averagePrefix}${name}`) ? `${averagePrefix}${name}` : name)
  const plain = new Map([...specs].filter(([name]) => !isState(name)))
  if ([...plain.keys()].every((name) => averaged(name) === name)) {
    throw new EffuseError({
      code: 'EF407',
      message: 'there are no averages',
      hint: 'trainingStep(model, { emaDecay: 0.9999, … }) and fit(model, { emaDecay: 0.9999, … }) keep averages',
    })
  }
  const { [trainingKey]: _, ...rest } = metadata // a run does not resume from its averages
  return makeVariables({ ...handle, specs: plain, nameOf: averaged }, rest)
}

/** Checks and copies; values of half types are rounded to the type. */
const hostValues = ({ name, type }: VariableSpec, data: ArrayLike<number>): HostArray => {
  const wanted = elements(type.shape)
  const fault = (came: string): EffuseError =>
    new EffuseError({
      code: 'EF408',
      message: `the variable "${name}" is ${showType(type)} and needs ${wanted} values, got ${came}`,
      hint: 'give a flat list or a typed array, row-major',
    })
  const isList = Array.isArray(data) || (ArrayBuffer.isView(data) && 'length' in data)
  if (!isList) throw fault(data === null ? 'null' : typeof data === 'object' ? 'an object' : `a ${typeof data}`)
  if (data.length !== wanted) throw fault(String(data.length))
  const accepts = acceptedBy(type.dtype)
  for (let i = 0; i < wanted; i++) {
    const value: unknown = data[i]
    if (typeof value !== 'number' || !accepts(value))
      throw new EffuseError({
        code: 'EF408',
        message: `the variable "${name}" is ${type.dtype}; element ${i} is ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`,
      })
  }
  return hostArrayOf(type.dtype, data)
}

const acceptedBy = (dtype: DType): ((x: number) => boolean) =>
  isFloat(dtype) ? () => true : dtype === 'bool' ? (x) => x === 0 || x === 1 : (x) => x === (x | 0)
