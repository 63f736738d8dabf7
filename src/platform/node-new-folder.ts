/** A folder that is there as a whole or not at all. Node only. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { EffuseError } from '../ir/diagnostics.ts'
import { fileError, systemCode } from './node-file-error.ts'
import { isAlive } from './node-folder-lock.ts'

/** @throws EffuseError EF501 where something stands there that is no empty folder, unless it is to be replaced, or the folder around it is missing */
export const checkNewFolder = async (path: string, isReplaced: boolean): Promise<void> => {
  try {
    if (!(await stat(dirname(resolve(path)))).isDirectory()) throw notDirectory(path)
    const entries = await readdir(path).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return []
      throw error
    })
    if (entries.length > 0 && !isReplaced)
      throw new EffuseError({
        code: 'EF501',
        message: `cannot write ${path}: there is a folder of this name, and it is not empty`,
        hint: 'choose another name, or replace it: --force on the command line, the option "force" in a program',
      })
  } catch (error) {
    throw fileError(error, path, 'write')
  }
}

const notDirectory = (path: string): EffuseError =>
  new EffuseError({
    code: 'EF501',
    message: `cannot write ${path}: what should be its folder is a file`,
    hint: 'check the path',
  })

/**
 * `fill` writes into a folder beside, which then gets the name. A folder that is replaced stays until then. What a killed process has left there
 * is removed. @throws EffuseError EF501
 */
export const writeFolder = async (
  path: string,
  isReplaced: boolean,
  fill: (folder: string) => Promise<void>,
): Promise<void> => {
  await checkNewFolder(path, isReplaced)
  const place = resolve(path)
  const start = `.${basename(place).slice(0, 100)}.`
  const named = (): string => join(dirname(place), `${start}${process.pid}.${randomBytes(6).toString('hex')}.tmp`)
  const temporary = named()
  try {
    await removeLeft(dirname(place), start)
    await mkdir(temporary)
    try {
      await fill(temporary)
      await swap(temporary, place, isReplaced ? named() : null)
    } finally {
      await rm(temporary, { recursive: true, force: true })
    }
  } catch (error) {
    throw fileError(error, path, 'write')
  }
}

/** Renaming replaces an empty folder, and no other. */
const swap = async (from: string, to: string, aside: string | null): Promise<void> => {
  const isAside = aside !== null && (await renamed(to, aside))
  try {
    await rename(from, to)
  } catch (error) {
    if (isAside) await rename(aside, to)
    throw error
  }
  if (isAside) await rm(aside, { recursive: true, force: true })
}

/** False where there is nothing to rename. */
const renamed = async (from: string, to: string): Promise<boolean> => {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}

const removeLeft = async (folder: string, start: string): Promise<void> => {
  for (const name of await readdir(folder)) {
    const [, pid] = name.startsWith(start) ? (/^(\d+)\.[0-9a-f]{12}\.tmp$/.exec(name.slice(start.length)) ?? []) : []
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { recursive: true, force: true })
  }
}
