/** Describes the system's file errors in words. */
import { EffuseError } from '../ir/diagnostics.ts'

/** The system's code of an error, such as `ENOENT`; null for other errors. */
export const systemCode = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null

interface Words {
  readonly what: string
  readonly hint: string
}

const readWords: ReadonlyMap<string, Words> = new Map([
  ['ENOENT', { what: 'there is no such file', hint: 'check the path; relative ones start at the current folder' }],
  ['EISDIR', { what: 'expected a file, it is a folder', hint: 'name a file in it' }],
])

const writeWords: ReadonlyMap<string, Words> = new Map([
  ['ENOENT', { what: 'its folder does not exist', hint: 'make the folder first' }],
  ['EISDIR', { what: 'expected a file, it is a folder', hint: 'name a file in it' }],
  ['ENOSPC', { what: 'the disk is full', hint: 'free some space; the old file is unchanged' }],
  ['EDQUOT', { what: 'your disk quota is used up', hint: 'free some space; the old file is unchanged' }],
  ['EROFS', { what: 'the disk is read-only', hint: 'write to another folder' }],
  [
    'EFBIG',
    { what: 'the file would be larger than the system allows', hint: 'write to another disk, or raise the limit' },
  ],
])

const bothWords: ReadonlyMap<string, Words> = new Map([
  ['EACCES', { what: 'permission denied', hint: 'check the permissions of the file and of its folder' }],
  ['EPERM', { what: 'the system does not permit it', hint: 'check the permissions of the file and of its folder' }],
  ['ENOTDIR', { what: 'a part of the path is a file, not a folder', hint: 'check the path' }],
  ['ENAMETOOLONG', { what: 'the name is too long', hint: 'choose a shorter one' }],
  ['ELOOP', { what: 'its symbolic links form a circle', hint: 'check the links' }],
  ['EMFILE', { what: 'too many files are open', hint: 'close some, or raise the limit (ulimit -n)' }],
  [
    'ENXIO',
    { what: 'expected a file, it is a socket, a pipe or a device', hint: 'copy it to a file, or name another one' },
  ],
  ['EBUSY', { what: 'another program uses it', hint: 'close that program and try again' }],
])

/** The EffuseError EF501 for an error of node:fs. Returns an EffuseError unchanged. */
export const fileError = (error: unknown, path: string, verb: 'read' | 'write'): EffuseError => {
  if (error instanceof EffuseError) return error
  const code = systemCode(error) ?? ''
  const words = (verb === 'read' ? readWords : writeWords).get(code) ?? bothWords.get(code)
  const what = words?.what ?? (error instanceof Error ? error.message : String(error))
  return new EffuseError({ code: 'EF501', message: `cannot ${verb} ${path}: ${what}`, hint: words?.hint, cause: error })
}
