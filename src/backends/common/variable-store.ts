/**
 * The store for backends that replace variables and do not overwrite them: a new value has new memory, and the old memory is freed after the change.
 * A change is therefore complete or does not happen. `Memory` defines how a device stores a value.
 */
import { EffuseError, invariant } from '../../ir/diagnostics.ts'
import type { Type } from '../../ir/types.ts'
import type { HostArray, HostTensor, Store, StoreTurn } from '../backend.ts'
import { makeTurnQueue } from './turns.ts'

/** How a device stores values. */
export interface Memory<V> {
  /** Identity of the device. */
  readonly device: object
  /** Copies to the device. `name`: of the variable or the value, for messages. */
  upload(data: HostArray, type: Type, name?: string): V
  /** Copies the value at the time of the call to the host, also if it is freed before the copy is complete. */
  download(value: V, type: Type): Promise<HostArray>
  free(value: V): void
  /** Frees many values, some perhaps later. Default: one after another. */
  freeAll?(values: readonly V[]): void
  /** Called for a result of a run that becomes the value of a variable. */
  adopted?(value: V, type: Type): void
}

/** Copies all values to the device or none: if one fails, the others are freed. Names must differ. */
export const uploadAll = <V>(
  memory: Memory<V>,
  tensors: Iterable<readonly [string, HostTensor]>,
): ReadonlyMap<string, V> => {
  const uploaded = new Map<string, V>()
  try {
    for (const [name, { data, type }] of tensors) uploaded.set(name, memory.upload(data, type, name))
    return uploaded
  } catch (error) {
    for (const value of uploaded.values()) memory.free(value)
    throw error
  }
}

interface Entry<V> {
  readonly type: Type
  readonly initial: () => HostArray
  value: V | null
  version: number
  readonly derived: Derived | null
}

interface Derived {
  readonly sources: readonly string[]
  /** The versions of the sources that the value was made from; null if it has not been made. */
  madeOf: readonly number[] | null
  users: number
}

export const makeVariableStore = <V>(memory: Memory<V>): Store<V> => {
  const entries = new Map<string, Entry<V>>()
  const queue = makeTurnQueue()
  let isDisposed = false
  let changes = 0
  const entryOf = (name: string): Entry<V> => {
    const entry = entries.get(name)
    if (entry === undefined) throw new EffuseError({ code: 'EF407', message: `there is no variable "${name}"` })
    return entry
  }
  const held = (name: string): V => {
    const entry = entryOf(name)
    invariant(
      entry.derived === null || entry.value !== null,
      () => `the derived value "${name}" is read before it is made`,
    )
    entry.value ??= memory.upload(entry.initial(), entry.type, name)
    return entry.value
  }
  const versionsOf = (names: readonly string[]): readonly number[] => names.map((name) => entryOf(name).version)
  const commit = (values: ReadonlyMap<string, V>): void => {
    // Steps that can fail come first; nothing after them fails.
    const changed = [...values].map(([name, value]) => {
      const entry = entryOf(name)
      memory.adopted?.(value, entry.type)
      return { entry, value, madeOf: entry.derived === null ? null : versionsOf(entry.derived.sources) }
    })
    const old: V[] = []
    for (const { entry, value, madeOf } of changed) {
      if (entry.value !== null) old.push(entry.value)
      entry.value = value
      entry.version = ++changes
      if (entry.derived !== null) entry.derived.madeOf = madeOf
    }
    if (memory.freeAll !== undefined) memory.freeAll(old)
    else for (const value of old) memory.free(value)
  }
  const turnOf: StoreTurn<V> = {
    valueOf: held,
    read: async (names) => {
      // All downloads begin before the first wait, so that they read the same moment.
      const pending = [...names].map(
        async (name): Promise<readonly [string, HostArray]> => [
          name,
          await memory.download(held(name), entryOf(name).type),
        ],
      )
      return new Map(await Promise.all(pending))
    },
    write: (values) => {
      const tensors = [...values].map(([name, data]) => [name, { type: entryOf(name).type, data }] as const)
      const uploaded = uploadAll(memory, tensors)
      try {
        commit(uploaded)
      } catch (error) {
        for (const value of uploaded.values()) memory.free(value)
        throw error
      }
    },
    commit,
    storeVersion: () => changes,
    versionOf: (name) => entryOf(name).version,
    isStale: (name) => {
      const { derived } = entryOf(name)
      invariant(derived !== null, () => `"${name}" is not a derived value`)
      const { madeOf } = derived
      return madeOf === null || versionsOf(derived.sources).some((version, i) => version !== madeOf[i])
    },
  }
  const turn: Store<V>['turn'] = async (work) => {
    if (isDisposed)
      throw new EffuseError({
        code: 'EF406',
        message: 'the variables were disposed of',
        hint: 'compile the model again',
      })
    return queue.turn(() => work(turnOf))
  }
  return {
    device: memory.device,
    has: (name) => entries.has(name),
    typeOf: (name) => entries.get(name)?.type ?? null,
    declare: (name, type, initial) => {
      entries.set(name, { type, initial, value: null, version: 0, derived: null })
    },
    declareDerived: (name, type, sources) => {
      const known = entries.get(name)?.derived
      if (known !== null && known !== undefined) known.users++
      else
        entries.set(name, {
          type,
          initial: neverNeeded,
          value: null,
          version: 0,
          derived: { sources, madeOf: null, users: 1 },
        })
    },
    releaseDerived: (names) => {
      const released = names.map((name) => [name, entries.get(name)] as const)
      // Earlier turns may still read them. One turn for all of them: a program that compiles in a loop would outrun hundreds of turns.
      void queue.turn(() => {
        for (const [name, entry] of released) {
          if (entry?.derived == null || entries.get(name) !== entry || --entry.derived.users > 0) continue
          entries.delete(name)
          if (entry.value !== null) memory.free(entry.value)
        }
      })
    },
    turn,
    // The turn ends when the read is pending, so that it does not delay other turns.
    read: async (names) => (await turn((at) => [at.read(names)] as const))[0],
    write: (values) => {
      const copies = new Map([...values].map(([name, data]) => [name, data.slice()]))
      return turn((at) => at.write(copies))
    },
    dispose: () => {
      isDisposed = true
      void queue.turn(() => {
        for (const { value } of entries.values()) if (value !== null) memory.free(value)
        entries.clear()
      })
    },
  }
}

const neverNeeded = (): HostArray => {
  throw new EffuseError({ code: 'EF901', message: 'bug in the compiler: a derived value has no initial value' })
}
