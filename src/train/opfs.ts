/** Checkpoints in a browser's storage of its own. */
import { EffuseError } from '../ir/diagnostics.ts'
import type { CheckpointStore, StoreLock } from './checkpoint-store.ts'

/**
 * A store of checkpoints in a folder of the page's origin private file system, which is made where it is missing; it outlives the page and
 * the browser. Files are written beside and take their place at once, so each is whole. What it may hold is the browser's quota; a browser
 * short of room clears it unless the page has called `navigator.storage.persist()`.
 *
 * Source: the WHATWG's File System Standard, `StorageManager.getDirectory` and `FileSystemFileHandle.createWritable`.
 *
 * @param path Names of folders with slashes between, from the origin's root.
 * @throws EffuseError EF403 (path); EF501 at the first use where there is no such storage, or where it is full.
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
      await list() // says where there is no such storage
      const lock = await lockPath(path)
      try {
        // Nobody else writes now: what is there of an unfinished save is of a page that went away.
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

/** Held by this page, whatever its tabs and workers are; a page that goes away lets go. Source: the W3C's Web Locks API. */
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
 * A file is made empty and filled when its writing ends: an empty one is that of a page that went away meanwhile. Chromium's streams write to
 * a file beside, of another ending.
 */
const wholeFiles = async (folder: FileSystemDirectoryHandle): Promise<readonly string[]> => {
  const names: string[] = []
  for await (const handle of (folder as Iterable).values())
    if (handle.kind === 'file' && !handle.name.endsWith('.crswap'))
      if ((await (handle as FileSystemFileHandle).getFile()).size > 0) names.push(handle.name)
  return names
}

/** TypeScript 5.9 has this in a library of its own, `dom.asynciterable`. */
interface Iterable extends FileSystemDirectoryHandle {
  values(): AsyncIterable<FileSystemHandle>
}

/** The stream writes to a file beside; closing it puts that in place. */
const replaceContent = async (handle: FileSystemFileHandle, bytes: Uint8Array): Promise<void> => {
  const stream = await handle.createWritable()
  try {
    await stream.write(new Uint8Array(bytes))
    await stream.close()
  } catch (error) {
    await stream.abort().catch(() => {}) // a stream that failed is closed already
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
    // Browsers say many things where room is short, Chromium also that a pipe broke, and their figures of it are rounded: no telling it apart.
    hint: isThere
      ? 'where the browser has no more room for this page, keep fewer checkpoints or remove other runs; or the file is open in another tab'
      : "pages have it over https and on localhost; in Node take directory('run') of effuse/node",
    cause: error,
  })
}
