/**
 * Variables as buffers on the device. A buffer is never written again: a new value is a new buffer, since XNNPACK, which tfjs-wasm calls,
 * keeps packed copies of weights by buffer.
 */
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Type } from '../../ir/types.ts'
import type { HostArray, Store } from '../backend.ts'
import type { Device } from './device.ts'
import type { DataId } from './tfjs-types.ts'

export interface TfjsStore extends Store {
  /** The variable's buffer, uploaded when first needed. It stays the store's. */
  bufferOf(name: string): DataId
  /** New values of several variables, all at once; the store owns the buffers from here on. */
  commit(values: readonly { readonly name: string; readonly dataId: DataId }[]): void
}

interface Entry {
  readonly type: Type
  readonly initial: () => HostArray
  dataId: DataId | null
}

export const makeTfjsStore = (device: Device): TfjsStore => {
  const entries = new Map<string, Entry>()
  let version = 0
  const entryOf = (name: string): Entry => {
    const entry = entries.get(name)
    if (entry === undefined) throw new EffuseError({ code: 'EF407', message: `there is no variable "${name}"` })
    return entry
  }
  const replace = (entry: Entry, dataId: DataId): void => {
    if (entry.dataId !== null) device.free(entry.dataId)
    entry.dataId = dataId
  }
  const bufferOf = (name: string): DataId => {
    const entry = entryOf(name)
    entry.dataId ??= device.upload(entry.initial(), entry.type.shape, entry.type.dtype)
    return entry.dataId
  }
  return {
    has: (name) => entries.has(name),
    typeOf: (name) => entries.get(name)?.type ?? null,
    declare: (name, type, initial) => {
      entries.set(name, { type, initial, dataId: null })
    },
    get: (name) => device.download(bufferOf(name), entryOf(name).type.dtype),
    set: (name, data) => {
      const entry = entryOf(name)
      replace(entry, device.upload(data, entry.type.shape, entry.type.dtype))
      version++
      return Promise.resolve()
    },
    bufferOf,
    commit: (values) => {
      for (const { name, dataId } of values) {
        const entry = entryOf(name)
        device.noteShape(dataId, entry.type.shape)
        replace(entry, dataId)
      }
      if (values.length > 0) version++
    },
    get version() {
      return version
    },
    dispose: () => {
      for (const { dataId } of entries.values()) if (dataId !== null) device.free(dataId)
      entries.clear()
    },
  }
}

export const isTfjsStore = (store: Store): store is TfjsStore => 'bufferOf' in store
