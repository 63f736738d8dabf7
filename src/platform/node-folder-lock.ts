/**
 * Only one run at a time may use a folder: a file `.run-lock.N` names the process that holds it. The file with the highest number is the lock.
 * If its process has died, another process creates the next number; only one process can create it. Then each process reads the folder again,
 * and releases its lock if another living process has one: of two processes, at least one sees the other. So a process may stop at any point
 * and for any time, and nothing needs repair. Node only.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { open, readdir, readFile, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { EffuseError } from '../ir/diagnostics.ts'
import { fileError, systemCode } from './node-file-error.ts'

interface Owner {
  readonly process: number
  readonly host: string
  /** The start time of the process in the system's unit; null if the system does not report it. Needed because process ids are reused. */
  readonly started: string | null
  readonly token: string
}
interface FoundLock {
  readonly name: string
  readonly number: number
  /** Null: the file is being written, or another program wrote it. */
  readonly owner: Owner | null
}

/** Prefix of the names of lock files. */
export const lockStart = '.run-lock.'
const numberIn = (name: string): number | null =>
  name.startsWith(lockStart) && /^\d+$/.test(name.slice(lockStart.length)) ? Number(name.slice(lockStart.length)) : null
/** Of this process. */
const held = new Set<string>()

/** A lock that this process holds: the file's name, and its unique content. */
export interface FolderLock {
  readonly name: string
  readonly token: string
}

/** @throws EffuseError EF508 (the message names the process that holds the folder), EF501 */
export const lockFolder = async (folder: string): Promise<FolderLock> => {
  const before = await locksIn(folder)
  for (const lock of before) if (isHeld(lock)) throw taken(folder, lock)
  const number = Math.max(0, ...before.map((lock) => lock.number)) + 1
  const name = `${lockStart}${number}`
  const token = randomBytes(8).toString('hex')
  const owner: Owner = { process: process.pid, host: hostname(), started: startOf(process.pid), token }
  held.add(token)
  try {
    await writeNew(join(folder, name), JSON.stringify(owner))
  } catch (error) {
    held.delete(token)
    if (systemCode(error) === 'EEXIST') throw taken(folder, await lockOf(folder, name, number))
    throw fileError(error, join(folder, name), 'write')
  }
  for (const lock of await locksIn(folder)) {
    if (lock.name === name) continue
    if (isHeld(lock)) {
      await unlockFolder(folder, { name, token })
      throw taken(folder, lock)
    }
    await rm(join(folder, lock.name), { force: true })
  }
  return { name, token }
}

/** Never fails: a remaining lock becomes invalid when this process ends. */
export const unlockFolder = async (folder: string, { name, token }: FolderLock): Promise<void> => {
  held.delete(token)
  await rm(join(folder, name), { force: true }).catch(() => undefined)
}

/** Is it the folder that was locked, under any name? The inode number is not enough, because inode numbers are reused. */
export const isLockedBy = async (folder: string, { name, token }: FolderLock): Promise<boolean> =>
  (await lockOf(folder, name, 0)).owner?.token === token

const writeNew = async (path: string, text: string): Promise<void> => {
  const handle = await open(path, 'wx')
  try {
    await handle.writeFile(text)
  } finally {
    await handle.close()
  }
}

const locksIn = async (folder: string): Promise<readonly FoundLock[]> => {
  const found: FoundLock[] = []
  for (const name of await readdir(folder)) {
    const number = numberIn(name)
    if (number !== null) found.push(await lockOf(folder, name, number))
  }
  return found
}

const lockOf = async (folder: string, name: string, number: number): Promise<FoundLock> => ({
  name,
  number,
  owner: ownerIn(await readFile(join(folder, name), 'utf8').catch(() => '')),
})

const ownerIn = (text: string): Owner | null => {
  try {
    const { process, host, started, token }: { readonly [K in keyof Owner]?: unknown } = JSON.parse(text)
    return Number.isSafeInteger(process) && typeof host === 'string' && typeof token === 'string'
      ? { process: Number(process), host, started: typeof started === 'string' ? started : null, token }
      : null
  } catch {
    return null
  }
}

/** Whether a process of another machine is alive is not known. */
const isHeld = ({ owner }: FoundLock): boolean => {
  if (owner === null || owner.host !== hostname()) return true
  if (!isAlive(owner.process)) return false
  if (owner.started !== null) return startOf(owner.process) === owner.started
  return owner.process !== process.pid || held.has(owner.token)
}

const taken = (folder: string, { name, owner }: FoundLock): EffuseError =>
  new EffuseError({
    code: 'EF508',
    message: `another run writes ${folder}${owner === null ? '' : `: process ${owner.process} on ${owner.host}`}`,
    hint: `wait for it or end it${owner?.host === hostname() ? '' : `; if it no longer runs, remove ${join(folder, name)}`}`,
  })

/** Does a process with this id run? A zombie process (ended, exit code not yet read) does not. */
export const isAlive = (id: number): boolean => {
  try {
    process.kill(id, 0) // signal 0 only tests whether the process exists
  } catch (error) {
    return systemCode(error) === 'EPERM'
  }
  return statusOf(id)?.[0] !== 'Z'
}

/** In ticks since the machine started. */
const startOf = (id: number): string | null => statusOf(id)?.[19] ?? null

/** The fields of proc_pid_stat(5) from the third on, the state; null on other systems than Linux. The second field may have spaces and brackets. */
const statusOf = (id: number): readonly string[] | null => {
  try {
    const text = readFileSync(`/proc/${id}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}
