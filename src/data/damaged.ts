/** Pictures that cannot be decoded: named once each, and borne up to a limit. */
import { listed } from '../ir/listed.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { systemCode } from '../platform/node-file-error.ts'

export interface Damage {
  readonly path: string
  readonly reason: string
}

/** Reasons that lie in the machine at this moment, not in the file: skipping would make a run that cannot be repeated. */
const passing: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EAGAIN', 'EBUSY'])

/** What is wrong with the file; null where the error is of another kind. */
export const damageOf = (error: unknown, path: string): Damage | null => {
  if (!(error instanceof EffuseError)) return null
  const isOfFile = error.code === 'EF506' || (error.code === 'EF501' && !passing.has(systemCode(error.cause) ?? ''))
  return isOfFile ? { path, reason: error.message } : null
}

export interface DamagedFiles {
  /** @throws EffuseError EF506 listing the first ones, once there are more than are borne. */
  note(found: readonly Damage[]): void
  /** The error for when there is nothing else. */
  error(what: string): EffuseError
}

export const damagedFiles = (max: number, onSkip: (path: string, reason: string) => void): DamagedFiles => {
  const known = new Map<string, string>()
  const error = (what: string): EffuseError =>
    new EffuseError({
      code: 'EF506',
      message: `${what}:${listed([...known.values()])}`,
      hint: 'mend or remove them, or allow more with maxCorrupt',
    })
  return {
    note: (found) => {
      for (const { path, reason } of found) {
        if (known.has(path)) continue
        known.set(path, reason)
        if (known.size > max) throw error(`more than ${max} pictures (maxCorrupt) cannot be read`)
        onSkip(path, reason)
      }
    },
    error,
  }
}
