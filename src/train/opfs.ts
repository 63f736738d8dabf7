/** Checkpoints in a browser's origin private file system. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { CheckpointStore, StoreLock } from './checkpoint-store.ts'

/**
 * A store of checkpoints in a folder of the page's origin private file system. The folder is created if it is missing, and remains when the
 * page and the browser are closed. A file is written beside the old one and replaces it at once, so each file is complete. The browser's quota
 * limits the size. A browser that runs out of space deletes the folder unless the page has called `navigator.storage.persist()`.
 *
 * Source: the WHATWG's File System Standard, `StorageManager.getDirectory` and `FileSystemFileHandle.createWritable`.
 *
 * @param path Names of folders with slashes between, from the origin's root.
 * @throws EffuseError EF403 (path); EF501 at the first use if there is no such storage, or if it is full.
 * @example const checkpoints = opfs('runs/digits')
 */
export const opfs = (path: string): CheckpointStore => {
  const names = typeof path === 'string' ? path.split('/') : []
  if (names.length === 0 || names.some((name) => name === '' || name === '.' || name === '..'))
    throw new EffuseError({
      code: 'EF403',
      message: `opfs() takes the path of a folder, names with slashes between, got ${JSON.stringify(path)}`,
      hint: "opfs('runs/digits')",
    })
  const within = async <T>(what: string, work: (folder: FileSystemDirectoryHandle) => Promise<T>): Promise<T> => {
    try {
      return await work(await openFolder(names))
    } catch (error) {
      throw failure(what, error)
    }
  }
  const unusable = `the folder ${path} of the browser's storage cannot be used`
  const list = (): Promise<readonly string[]> => within(unusable, wholeFiles)
  return {
    label: `opfs:${path}`,
    lock: async () => {
      await list() // throws if there is no such storage
      const lock = await lockPath(path)
      try {
        // This run has the lock, so an unfinished file is from a page that was closed.
        await within(unusable, removeLeftovers)
        return lock
      } catch (error) {
        await lock.release()
        throw error
      }
    },
    list,
    read: (name) =>
      within(`${path}/${name} cannot be read from the browser's storage`, async (folder) => {
        const file = await (await folder.getFileHandle(name)).getFile()
        return new Uint8Array(await file.arrayBuffer())
      }),
    write: (name, bytes) =>
      within(`${path}/${name} cannot be written to the browser's storage`, async (folder) => {
        const handle = await folder.getFileHandle(name, { create: true })
        await replaceContent(handle, bytes)
      }),
    remove: (name) =>
      within(`${path}/${name} cannot be removed from the browser's storage`, async (folder) => {
        await folder.removeEntry(name).catch((error: unknown) => {
          if (!isNamed(error, 'NotFoundError')) throw error
        })
      }),
  }
}

/** One lock for all tabs and workers of the origin. The browser releases it when the page is closed. Source: the W3C's Web Locks API. */
const lockPath = (path: string): Promise<StoreLock> =>
  new Promise((resolve, reject) => {
    const held = globalThis.navigator.locks.request(`effuse:opfs:${path}`, { ifAvailable: true }, (lock) => {
      if (lock === null)
        throw new EffuseError({
          code: 'EF508',
          message: `another run writes opfs:${path}`,
          hint: 'wait for it or end it: it may be in another tab of this site',
        })
      return new Promise<void>((end) => {
        resolve({
          release: async () => {
            end()
            await held
          },
        })
      })
    })
    held.catch(reject)
  })

const removeLeftovers = async (folder: FileSystemDirectoryHandle): Promise<void> => {
  const whole = new Set(await wholeFiles(folder))
  for await (const { kind, name } of (folder as Iterable).values())
    if (kind === 'file' && !whole.has(name)) await folder.removeEntry(name)
}

const openFolder = async (names: readonly string[]): Promise<FileSystemDirectoryHandle> => {
  let folder = await globalThis.navigator.storage.getDirectory()
  for (const name of names) folder = await folder.getDirectoryHandle(name, { create: true })
  return folder
}

/**
 * A file is created empty and gets its content when the stream is closed. So an empty file is from a page that was closed during a write.
 * Chromium's streams write to a file beside it, with another extension.
 */
const wholeFiles = async (folder: FileSystemDirectoryHandle): Promise<readonly string[]> => {
  const names: string[] = []
  for await (const handle of (folder as Iterable).values())
    if (handle.kind === 'file' && !handle.name.endsWith('.crswap'))
      if ((await (handle as FileSystemFileHandle).getFile()).size > 0) names.push(handle.name)
  return names
}

/** TypeScript 5.9 declares this in a separate library, `dom.asynciterable`. */
interface Iterable extends FileSystemDirectoryHandle {
  values(): AsyncIterable<FileSystemHandle>
}

/** The stream writes to a file beside; closing it replaces the old file. */
const replaceContent = async (handle: FileSystemFileHandle, bytes: Uint8Array): Promise<void> => {
  const stream = await handle.createWritable()
  try {
    await stream.write(new Uint8Array(bytes))
    await stream.close()
  } catch (error) {
    await stream.abort().catch(() => {}) // a stream that failed is already closed
    throw error
  }
}

const isNamed = (error: unknown, name: string): boolean => error instanceof Error && error.name === name

const failure = (what: string, error: unknown): EffuseError => {
  const isThere = globalThis.navigator?.storage?.getDirectory !== undefined
  const reason = error instanceof Error ? error.message : String(error)
  return new EffuseError({
    code: 'EF501',
    message: `${what}: ${isThere ? reason : 'there is no origin private file system here'}`,
    // When space runs out, browsers report various errors (Chromium also a broken pipe) and rounded figures, so the cause cannot be identified.
    hint: isThere
      ? 'either the browser has no more storage for this page: keep fewer checkpoints or remove other runs; or the file is open in another tab'
      : "pages have it over https and on localhost; in Node use directory('run') of effuse/node",
    cause: error,
  })
}
