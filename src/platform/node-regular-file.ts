/**
 * Opening what may be something else than a file. The open of a FIFO waits for its other end, in a thread that nothing can stop; a device may
 * never end. So everything here opens without waiting, and looks at what it got before it reads or writes. Node only.
 */
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { EffuseError } from '../ir/diagnostics.ts'

const { O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants
/** Windows has none, and nothing there that would wait. */
const noWait: number = constants.O_NONBLOCK ?? 0

/** What comes after opening, and how. */
const flags = {
  append: O_WRONLY | O_APPEND | O_CREAT,
  change: O_RDWR | O_CREAT,
  replace: O_WRONLY | O_CREAT | O_TRUNC,
} as const

/** The file, its size in bytes. @throws EffuseError EF501 where it is no regular file; the system's errors as they come */
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

/** Works on the descriptor of a file, which is made where it is missing and closed in the end. @throws as openToRead() does */
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
