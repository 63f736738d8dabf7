/** Pictures that cannot be decoded. Each is reported once, and they are tolerated up to a limit. */
import { listed } from '../ir/listed.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { systemCode } from '../platform/node-file-error.ts'

export interface Damage {
  readonly path: string
  readonly reason: string
}

/** Errors of the machine, not of the file. Skipping a picture for such an error would make the run impossible to repeat. */
const passing: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'EIO', 'EAGAIN', 'EBUSY'])

/** The fault of the file; null if the error is not about the file. */
export const damageOf = (error: unknown, path: string): Damage | null => {
  if (!(error instanceof EffuseError)) return null
  const isOfFile = error.code === 'EF506' || (error.code === 'EF501' && !passing.has(systemCode(error.cause) ?? ''))
  return isOfFile ? { path, reason: error.message } : null
}

export interface DamagedFiles {
  /** @throws EffuseError EF506 with a list of the first ones if there are more than the limit */
  note(found: readonly Damage[]): void
  /** The error for a source without readable pictures. */
  error(what: string): EffuseError
}

export const damagedFiles = (max: number, onSkip: (path: string, reason: string) => void): DamagedFiles => {
  const known = new Map<string, string>()
  const error = (what: string): EffuseError =>
    new EffuseError({
      code: 'EF506',
      message: `${what}:${listed([...known.values()])}`,
      hint: 'repair or remove them, or allow more with maxCorrupt',
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
