/**
 * Opens paths that may not be regular files. Opening a FIFO waits for its other end, in a thread that cannot be stopped, and a device may never end.
 * These functions therefore open without waiting, and check the file type before they read or write. Node only.
 */
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { EffuseError } from '../ir/diagnostics.ts'

const { O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants
/** Windows does not have the flag and does not need it. */
const noWait: number = constants.O_NONBLOCK ?? 0

/** Flags of open() by purpose. */
const flags = {
  append: O_WRONLY | O_APPEND | O_CREAT,
  change: O_RDWR | O_CREAT,
  replace: O_WRONLY | O_CREAT | O_TRUNC,
} as const

/** The open file and its size in bytes. @throws EffuseError EF501 if it is not a regular file; system errors unchanged */
export const openToRead = async (path: string): Promise<{ readonly handle: FileHandle; readonly size: number }> => {
  const handle = await open(path, O_RDONLY | noWait)
  try {
    const status = await handle.stat()
    checkRegular(status, path, 'read')
    return { handle, size: status.size }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Opens a file, which it may create, works on its descriptor and closes it. @throws as openToRead() */
export const withFile = <T>(path: string, how: keyof typeof flags, work: (descriptor: number) => T): T => {
  const descriptor = openSync(path, flags[how] | noWait, 0o666)
  try {
    checkRegular(fstatSync(descriptor), path, 'write')
    return work(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** @throws EffuseError EF501 */
export const checkRegular = (status: Stats, path: string, verb: 'read' | 'write'): void => {
  if (status.isFile()) return
  throw new EffuseError({
    code: 'EF501',
    message: `cannot ${verb} ${path}: expected a file, it is ${kindOf(status)}`,
    hint: status.isDirectory() ? 'name a file in it' : 'copy it to a file, or name another one',
  })
}

const kindOf = (status: Stats): string => {
  if (status.isDirectory()) return 'a folder'
  if (status.isFIFO()) return 'a pipe'
  return status.isSocket() ? 'a socket' : 'a device'
}
