/** Checkpoints in a folder. Node only. */
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readFile, writeFileAtomic } from '#platform'
import { EffuseError } from '../ir/diagnostics.ts'
import type { CheckpointStore } from './checkpoint-store.ts'

/**
 * A store of checkpoints in a folder, which is made where it is missing. Files are written under a temporary name and renamed, so each is
 * whole; what a killed process left half-written is removed.
 *
 * @throws EffuseError EF501 at the first use, where the folder cannot be made or read.
 * @example const checkpoints = directory('run')
 */
export const directory = (path: string): CheckpointStore => {
  if (typeof path !== 'string' || path === '')
    throw new EffuseError({ code: 'EF403', message: 'directory() takes the path of a folder' })
  const opened = (): Promise<readonly string[]> => wrapped(`the folder ${path} cannot be used`, () => openFolder(path))
  return {
    label: path,
    list: opened,
    read: (name) => readFile(join(path, name)),
    write: async (name, bytes) => {
      await opened()
      await writeFileAtomic(join(path, name), bytes)
    },
    remove: (name) => wrapped(`${join(path, name)} cannot be removed`, () => rm(join(path, name), { force: true })),
  }
}

/** Names as writeFileAtomic makes them: `.name.process.random.tmp`. */
const temporary = /^\..+\.(\d+)\.[0-9a-f]+\.tmp$/

const openFolder = async (path: string): Promise<readonly string[]> => {
  await mkdir(path, { recursive: true })
  const names = await readdir(path)
  for (const name of names) {
    const process = temporary.exec(name)?.[1]
    if (process !== undefined && !isAlive(Number(process))) await rm(join(path, name), { force: true })
  }
  return names.filter((name) => !name.startsWith('.'))
}

const isAlive = (id: number): boolean => {
  try {
    process.kill(id, 0) // signal 0 only asks
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
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
