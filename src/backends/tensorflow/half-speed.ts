/**
 * The times of a training step in float32 and in bfloat16 on this machine's processor. `effuse setup tensorflow` measures them once and keeps them in its
 * cache; `amp: true` reads them. Node only.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { tensorflowCache } from './places.ts'

export interface HalfTimes {
  /** Milliseconds of the same training step in both types. */
  readonly float32: number
  readonly bfloat16: number
}

const timesFile = (): string => join(tensorflowCache(), 'half-times.json')

/** The backend's fingerprint on this machine. The times depend on it. */
export const cpuFingerprint = (version: string): string => {
  const cores = cpus()
  const oneDnn = process.env['TF_ENABLE_ONEDNN_OPTS'] === '0' ? ' without oneDNN' : ''
  return `tensorflow ${version}${oneDnn}, ${cores.length} x ${cores[0]?.model ?? process.arch}`
}

/** Times by fingerprint. A file that cannot be read counts as empty. */
const readAll = (): { readonly [fingerprint: string]: unknown } => {
  try {
    const read: unknown = JSON.parse(readFileSync(timesFile(), 'utf8'))
    return typeof read === 'object' && read !== null ? { ...read } : {}
  } catch {
    return {}
  }
}

const areTimes = (value: unknown): value is HalfTimes =>
  typeof value === 'object' &&
  value !== null &&
  'float32' in value &&
  'bfloat16' in value &&
  [value.float32, value.bfloat16].every((ms) => typeof ms === 'number' && ms > 0)

/** Null if they were not measured. */
export const halfTimes = (fingerprint: string): HalfTimes | null => {
  const found = readAll()[fingerprint]
  return areTimes(found) ? found : null
}

/** Saves them in the file, which also has the times of other versions. The file is replaced at once, so no reader sees a part of it. */
export const keepHalfTimes = (fingerprint: string, times: HalfTimes): void => {
  mkdirSync(tensorflowCache(), { recursive: true })
  const aside = `${timesFile()}.${process.pid}`
  writeFileSync(aside, `${JSON.stringify({ ...readAll(), [fingerprint]: times }, null, 2)}\n`)
  renameSync(aside, timesFile())
}

/** bfloat16 must be faster by this share, because measurements differ by some percent. */
const gainLeast = 0.05

/** The reason why half types are not faster on this processor; undefined if a measurement showed that bfloat16 is. */
export const slowHalf = (fingerprint: string): string | undefined => {
  const times = halfTimes(fingerprint)
  const force = "amp: { dtype: 'bfloat16' } uses it anyway"
  if (times === null)
    return `bfloat16 was not measured on this processor, so float32 is used (effuse setup tensorflow measures it; ${force})`
  if (times.bfloat16 < times.float32 * (1 - gainLeast)) return undefined
  const [half, whole] = [times.bfloat16, times.float32].map((ms) => ms.toFixed(1))
  return `a step took ${half} ms in bfloat16 and ${whole} ms in float32 on this processor, so float32 is used (${force})`
}
