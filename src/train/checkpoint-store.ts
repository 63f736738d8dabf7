/** Where checkpoints are kept: a small store of whole files. A folder (`directory()` in effuse/node), a browser's own storage (`opfs()`), memory, or the caller's own. */
import { EffuseError } from '../ir/diagnostics.ts'

export interface CheckpointStore {
  /** The store's name in messages, for example a path. */
  readonly label: string
  /** Names of the files, in any order. */
  list(): Promise<readonly string[]>
  /** @throws EffuseError EF501 */
  read(name: string): Promise<Uint8Array>
  /** Atomic: after a failure or a power cut the file has its old content, or does not exist. @throws EffuseError EF501 */
  write(name: string, bytes: Uint8Array): Promise<void>
  remove(name: string): Promise<void>
  /** Locks the store for one run; absent: two runs may use it at once. @throws EffuseError EF508 while another run holds the lock */
  readonly lock?: (() => Promise<StoreLock>) | undefined
  /**
   * Writes a file elsewhere if the store's own place is gone, and returns its name there. Returns null if the place still exists.
   */
  readonly rescue?: ((name: string, bytes: Uint8Array) => Promise<string | null>) | undefined
}

export interface StoreLock {
  /** Never fails, and does nothing a second time. */
  release(): Promise<void>
}

/** A store in memory. It exists as long as the process. @example const checkpoints = memoryStore() */
export const memoryStore = (): CheckpointStore => {
  const files = new Map<string, Uint8Array>()
  let isTaken = false
  return {
    label: 'memory',
    lock: () => {
      if (isTaken)
        return Promise.reject(
          new EffuseError({ code: 'EF508', message: 'another run writes this store', hint: 'wait for it, or end it' }),
        )
      isTaken = true
      let isMine = true
      const release = (): Promise<void> => {
        if (isMine) isTaken = false
        isMine = false
        return Promise.resolve()
      }
      return Promise.resolve({ release })
    },
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
