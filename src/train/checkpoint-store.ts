/** Where checkpoints are kept: a small store of whole files. A folder (`directory()` in effuse/node), a browser's own storage (`opfs()`), memory, or one's own. */
import { EffuseError } from '../ir/diagnostics.ts'

export interface CheckpointStore {
  /** What to call the store in messages: a path. */
  readonly label: string
  /** Names of the files, in any order. */
  list(): Promise<readonly string[]>
  /** @throws EffuseError EF501 */
  read(name: string): Promise<Uint8Array>
  /** Whole or not at all: a failure or a power cut leaves the old content, or none. @throws EffuseError EF501 */
  write(name: string, bytes: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
}

/** A store that lives as long as the process. @example const checkpoints = memoryStore() */
export const memoryStore = (): CheckpointStore => {
  const files = new Map<string, Uint8Array>()
  return {
    label: 'memory',
    list: () => Promise.resolve([...files.keys()]),
    read: (name) => {
      const bytes = files.get(name)
      return bytes === undefined
        ? Promise.reject(new EffuseError({ code: 'EF501', message: `there is no file "${name}" in memory` }))
        : Promise.resolve(new Uint8Array(bytes))
    },
    write: (name, bytes) => {
      files.set(name, new Uint8Array(bytes))
      return Promise.resolve()
    },
    remove: (name) => {
      files.delete(name)
      return Promise.resolve()
    },
  }
}
