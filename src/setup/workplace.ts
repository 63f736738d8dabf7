/**
 * The folder of the cache in which setup works. A lock lets one process work there at a time, in a scratch folder. A complete part is renamed to its
 * final place. So a process may be killed at any moment: the next one removes the scratch folders.
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { tensorflowCache } from '../backends/tensorflow/places.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { fileError, systemCode } from '../platform/node-file-error.ts'
import { type FolderLock, lockFolder, unlockFolder } from '../platform/node-folder-lock.ts'

export interface Workplace {
  readonly cache: string
  /** Makes an empty folder beside the final places. */
  readonly scratch: () => Promise<string>
  /** Gives a complete folder its final name. A folder that had this name is removed. */
  readonly publish: (complete: string, place: string) => Promise<void>
  /** Removes a file or folder at once: it never exists in part under its name. */
  readonly discard: (place: string) => Promise<void>
}

export interface Progress {
  /** Prints one line. */
  readonly say: (line: string) => void
  /** Shows how much of a total is done, and of what. */
  readonly at: (done: number, of: number, what: string) => void
  /** Removes the bar. */
  readonly stop: () => void
}

const scratchStart = 'unfinished-'
const pollMs = 300

/** Waits until no other process works there. It prints once that it waits. @throws EffuseError EF501 if the cache cannot be written */
export const inWorkplace = async <T>(
  cache: string,
  progress: Progress,
  work: (workplace: Workplace) => Promise<T>,
): Promise<T> => {
  await mkdir(cache, { recursive: true }).catch((error: unknown) => {
    throw cacheError(error, cache)
  })
  const lock = await waitForLock(cache, progress)
  locked.add(cache)
  try {
    removeScratch(cache) // folders of processes that were killed
    return await work(workplaceIn(cache))
  } catch (error) {
    throw cacheError(error, cache)
  } finally {
    removeScratch(cache)
    locked.delete(cache)
    await unlockFolder(cache, lock)
  }
}

/** The scratch folders of this process. */
const locked = new Set<string>()

/** Removes the scratch folders of this process, for a process that ends. Never throws. */
export const abandonWork = (): void => {
  for (const cache of locked) removeScratch(cache)
}

/** Removes all scratch folders. Only the process that has the lock may call it. Never throws. */
const removeScratch = (cache: string): void => {
  try {
    for (const name of readdirSync(cache))
      if (name.startsWith(scratchStart)) rmSync(join(cache, name), { recursive: true, force: true })
  } catch {
    // The next call of setup removes it.
  }
}

const waitForLock = async (cache: string, { say }: Progress): Promise<FolderLock> => {
  for (let hasSaid = false; ; ) {
    try {
      return await lockFolder(cache)
    } catch (error) {
      if (!(error instanceof EffuseError) || error.code !== 'EF508') throw error
      if (!hasSaid) say(`another setup is running; waiting until it ends (${error.message}; ${error.hint ?? ''})`)
      hasSaid = true
    }
    // Two processes that see each other's lock both give up theirs, so they wait for different times.
    await delay(pollMs * (0.5 + Math.random()))
  }
}

const workplaceIn = (cache: string): Workplace => {
  const aside = (): string => join(cache, `${scratchStart}${randomBytes(6).toString('hex')}`)
  const discard = async (place: string): Promise<void> => {
    const old = aside()
    try {
      await rename(place, old)
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return
      throw error
    }
    await rm(old, { recursive: true, force: true })
  }
  return {
    cache,
    discard,
    scratch: async () => {
      const folder = aside()
      await mkdir(folder)
      return folder
    },
    publish: async (complete, place) => {
      await mkdir(dirname(place), { recursive: true })
      await discard(place)
      await rename(complete, place)
    },
  }
}

const watchMs = 250

/** Shows how many bytes a program has added to a folder while it runs. */
export const watching = async (
  folder: string,
  bytes: number,
  what: string,
  { at, stop }: Progress,
  work: () => Promise<void>,
): Promise<void> => {
  const before = await bytesIn(folder)
  let isDone = false
  const timer = setInterval(async () => {
    const now = await bytesIn(folder)
    if (!isDone) at(inMegabytes(Math.min(now - before, bytes)), inMegabytes(bytes), `${what} (MB)`)
  }, watchMs)
  try {
    await work()
  } finally {
    isDone = true
    clearInterval(timer)
    stop()
  }
}

/** The size of a folder's files. Other programs may add and remove files meanwhile. */
const bytesIn = async (folder: string): Promise<number> => {
  let sum = 0
  for (const name of await readdir(folder, { recursive: true }).catch(() => []))
    sum += (await stat(join(folder, name)).catch(() => null))?.size ?? 0
  return sum
}

/** @throws EffuseError EF501 if less than `bytes` are free */
export const checkSpace = async (bytes: number, what: string): Promise<void> => {
  const { bavail, bsize } = await statfs(tensorflowCache())
  if (bavail * bsize < bytes)
    throw fullDisk(`${what} needs ${megabytes(bytes)}, but only ${megabytes(bavail * bsize)} are free`)
}

export const fullDisk = (detail: string): EffuseError =>
  new EffuseError({
    code: 'EF501',
    message: `the disk of ${tensorflowCache()} is full: ${detail}`,
    hint: 'free some space, or set XDG_CACHE_HOME to a folder on another disk; then: npx effuse setup tensorflow',
  })

const inMegabytes = (bytes: number): number => Math.round(bytes / 1e6)
export const megabytes = (bytes: number): string => `${inMegabytes(bytes).toLocaleString('en-US')} MB`

const cacheError = (error: unknown, cache: string): unknown => {
  const code = error instanceof EffuseError ? null : systemCode(error)
  if (code === null) return error
  if (code === 'ENOSPC' || code === 'EDQUOT') return fullDisk('incomplete files were removed')
  const { message } = fileError(error, cache, 'write')
  const hint = 'make the folder writable, or set XDG_CACHE_HOME to another one; then: npx effuse setup tensorflow'
  return new EffuseError({ code: 'EF501', message, hint, cause: error })
}
