/** Variables as arrays on the host. */
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Type } from '../../ir/types.ts'
import type { HostArray, Store } from '../backend.ts'

interface Entry {
  readonly type: Type
  value: HostArray | null
  readonly initial: () => HostArray
}

export const makeHostStore = (): Store => {
  const entries = new Map<string, Entry>()
  let version = 0
  const entry = (name: string): Entry => {
    const found = entries.get(name)
    if (found === undefined) throw new EffuseError({ code: 'EF407', message: `there is no variable "${name}"` })
    return found
  }
  return {
    has: (name) => entries.has(name),
    typeOf: (name) => entries.get(name)?.type ?? null,
    declare: (name, type, initial) => {
      entries.set(name, { type, value: null, initial })
    },
    get: (name) => {
      const found = entry(name)
      found.value ??= found.initial()
      return Promise.resolve(copy(found.value))
    },
    set: (name, data) => {
      entry(name).value = copy(data)
      version++
      return Promise.resolve()
    },
    get version() {
      return version
    },
    dispose: () => entries.clear(),
  }
}

const copy = (data: HostArray): HostArray =>
  data instanceof Float32Array
    ? new Float32Array(data)
    : data instanceof Int32Array
      ? new Int32Array(data)
      : new Uint8Array(data)
