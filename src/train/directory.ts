/** Checkpoints in a folder. Node only. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { readFile, writeFileAtomic } from '#platform'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { systemCode } from '../platform/node-file-error.ts'
import type { CheckpointStore } from './checkpoint-store.ts'
import { type FolderLock, isAlive, isLockedBy, lockFolder, unlockFolder } from '../platform/node-folder-lock.ts'

/**
 * A store of checkpoints in a folder. The folder is created if it is missing, but only once: if it is renamed or deleted later, it is not
 * created again. Files are written under a temporary name and renamed, so each file is complete. Incomplete files of a killed process are
 * removed. Only one run at a time may use the folder.
 *
 * @throws EffuseError EF501 at the first use if the folder cannot be created or read, and later if it is gone.
 * @example const checkpoints = directory('run')
 */
export const directory = (path: string): CheckpointStore => {
  if (typeof path !== 'string' || path === '')
    throw new EffuseError({
      code: 'EF403',
      message: `directory() takes the path of a folder, got ${showGiven(path)}`,
      hint: "directory('runs/mine')",
    })
  let isMade = false
  let lock: FolderLock | null = null
  const enter = async (): Promise<void> => {
    if (lock !== null && !(await isLockedBy(path, lock))) throw gone(path)
    if (!isMade) await wrapped(`the folder ${path} cannot be used`, () => mkdir(path, { recursive: true }))
    isMade = true
  }
  return {
    label: path,
    lock: async () => {
      await enter()
      const taken = await lockFolder(path)
      lock = taken
      return {
        release: async () => {
          const folder = await placeOf(path, taken)
          if (folder !== null) await unlockFolder(folder, taken)
          if (lock === taken) lock = null
        },
      }
    },
    list: async () => {
      await enter()
      return wrapped(`the folder ${path} cannot be used`, () => wholeFiles(path))
    },
    read: (name) => readFile(join(path, name)),
    write: async (name, bytes) => {
      await enter()
      await writeFileAtomic(join(path, name), bytes)
    },
    remove: (name) => wrapped(`${join(path, name)} cannot be removed`, () => rm(join(path, name), { force: true })),
    rescue: async (name, bytes) => {
      const folder = lock === null ? path : await placeOf(path, lock)
      if (folder === path) return null
      const other = folder ?? (await newFolder(`${path}-rescued`))
      await writeFileAtomic(join(other, name), bytes)
      return join(other, name)
    },
  }
}

/** The present path of a locked folder that was renamed within its parent folder; null if it is not there. */
const placeOf = async (path: string, lock: FolderLock): Promise<string | null> => {
  if (await isLockedBy(path, lock)) return path
  const parent = dirname(path)
  for (const name of await readdir(parent).catch(() => []))
    if (await isLockedBy(join(parent, name), lock)) return join(parent, name)
  return null
}

const gone = (path: string): EffuseError =>
  new EffuseError({
    code: 'EF501',
    message: `the folder ${path} was renamed or deleted while a run wrote to it`,
    hint: 'do not move the folder before the run has ended',
  })

/** The first of `name`, `name-2`, `name-3` that does not exist. */
const newFolder = async (name: string): Promise<string> => {
  await mkdir(dirname(name), { recursive: true })
  for (let n = 1; ; n++) {
    const folder = n === 1 ? name : `${name}-${n}`
    try {
      await mkdir(folder)
      return folder
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error
    }
  }
}

/** Names as writeFileAtomic makes them: `.name.process.random.tmp`. */
const temporary = /^\..+\.(\d+)\.[0-9a-f]+\.tmp$/

const wholeFiles = async (path: string): Promise<readonly string[]> => {
  const names = await readdir(path)
  for (const name of names) {
    const process = temporary.exec(name)?.[1]
    if (process !== undefined && !isAlive(Number(process))) await rm(join(path, name), { force: true })
  }
  return names.filter((name) => !name.startsWith('.'))
}

const wrapped = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } catch (error) {
    throw new EffuseError({
      code: 'EF501',
      message: `${what}: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'check its permissions, and that no file of that name is in the way',
      cause: error,
    })
  }
}
