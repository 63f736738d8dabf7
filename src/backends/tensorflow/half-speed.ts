/**
 * How long a step of training takes in float32 and in bfloat16 on this machine's processor: measured once by `effuse setup tensorflow`, kept in its
 * cache, and read by `amp: true`. Node only.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { tensorflowCache } from './places.ts'

export interface HalfTimes {
  /** Milliseconds of the same step of training. */
  readonly float32: number
  readonly bfloat16: number
}

const timesFile = (): string => join(tensorflowCache(), 'half-times.json')

/** What the times depend on: the backend's fingerprint on this machine. */
export const cpuFingerprint = (version: string): string => {
  const cores = cpus()
  const oneDnn = process.env['TF_ENABLE_ONEDNN_OPTS'] === '0' ? ' without oneDNN' : ''
  return `tensorflow ${version}${oneDnn}, ${cores.length} x ${cores[0]?.model ?? process.arch}`
}

/** Times by fingerprint; a file that cannot be read has none. */
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

/** Null where they were never measured. */
export const halfTimes = (fingerprint: string): HalfTimes | null => {
  const found = readAll()[fingerprint]
  return areTimes(found) ? found : null
}

/** Keeps them beside those of other versions. At no moment is a part of the file under its name. */
export const keepHalfTimes = (fingerprint: string, times: HalfTimes): void => {
  mkdirSync(tensorflowCache(), { recursive: true })
  const aside = `${timesFile()}.${process.pid}`
  writeFileSync(aside, `${JSON.stringify({ ...readAll(), [fingerprint]: times }, null, 2)}\n`)
  renameSync(aside, timesFile())
}

/** A shorter step counts only where it is clearly shorter: measurements differ by some percent. */
const gainLeast = 0.05

/** Why half types do not pay on this processor; undefined where bfloat16 was measured to be faster. */
export const slowHalf = (fingerprint: string): string | undefined => {
  const times = halfTimes(fingerprint)
  const force = "amp: { dtype: 'bfloat16' } takes it all the same"
  if (times === null)
    return `bfloat16 was not measured on this processor, so float32 is taken (effuse setup tensorflow measures it; ${force})`
  if (times.bfloat16 < times.float32 * (1 - gainLeast)) return undefined
  const [half, whole] = [times.bfloat16, times.float32].map((ms) => ms.toFixed(1))
  return `a step in bfloat16 took ${half} ms on this processor and one in float32 ${whole} ms, so float32 is taken (${force})`
}
