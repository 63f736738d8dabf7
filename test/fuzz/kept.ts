/** Stored cases: those of the repository, whose faults are fixed, and those that were found in this checkout. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AnyTarget } from './targets/index.ts'

export interface KeptCase {
  readonly path: string
  readonly bytes: Uint8Array
}

/** `test/fuzz/cases/<target>` of the repository at `root`. */
export const mended = (root: string, { name, file }: AnyTarget): readonly KeptCase[] =>
  casesIn(join(root, 'test/fuzz/cases', name), file.extension)

/** `.effuse/failures/fuzz/<target>`, which git ignores. */
export const failures = (root: string, { name, file }: AnyTarget): readonly KeptCase[] =>
  casesIn(folderOf(root, name), file.extension)

/** Stores a failure for the next run. @returns Its path. */
export const keepFailure = (root: string, { name, file }: AnyTarget, bytes: Uint8Array): string => {
  const folder = folderOf(root, name)
  mkdirSync(folder, { recursive: true })
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
  const path = join(folder, `${hash}.${file.extension}`)
  writeFileSync(path, bytes)
  return path
}

const folderOf = (root: string, target: string): string => join(root, '.effuse/failures/fuzz', target)

const casesIn = (folder: string, extension: string): readonly KeptCase[] =>
  !existsSync(folder)
    ? []
    : readdirSync(folder)
        .filter((name) => name.endsWith(`.${extension}`))
        .sort()
        .map((name) => ({ path: join(folder, name), bytes: readFileSync(join(folder, name)) }))
