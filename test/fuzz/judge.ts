/**
 * What an attempt at a case may do: give a result, or throw an EffuseError that a person can read. It may not throw anything else, take
 * long, take memory out of proportion, or change the prototypes of the language.
 */
import { EffuseError } from '../../src/ir/diagnostics.ts'

/** The code of the error, or null where the case was accepted. */
export type Outcome = string | null

export interface Limits {
  /** Of one case, in milliseconds of processor time. A case takes about one; a machine under load and a collection of garbage take some more. */
  readonly ms: number
  /** That one case may leave behind, in bytes, besides `bytesPerByte` for each of its own. */
  readonly bytes: number
}
export const limits: Limits = { ms: 2000, bytes: 64 * 2 ** 20 }
const bytesPerByte = 200

/** A case that broke a rule. */
export class Finding extends Error {}

/** Runs the attempt. `size`: of the case, in bytes. @throws Finding saying which rule was broken */
export const judge = async (attempt: () => unknown, size: number, { ms, bytes }: Limits = limits): Promise<Outcome> => {
  const prototypes = prototypeKeys()
  const memory = memoryInUse()
  const start = process.cpuUsage()
  const outcome = await outcomeOf(attempt)
  const { user, system } = process.cpuUsage(start)
  const grown = memoryInUse() - memory
  if ((user + system) / 1000 > ms) throw new Finding(`it took ${Math.round((user + system) / 1000)} ms, at most ${ms}`)
  if (grown > bytes + bytesPerByte * size)
    throw new Finding(`it took ${Math.round(grown / 2 ** 20)} MiB of memory, for a case of ${size} bytes`)
  const changed = prototypeKeys()
  if (changed !== prototypes) throw new Finding(`it changed a prototype: ${prototypes} became ${changed}`)
  return outcome
}

const outcomeOf = async (attempt: () => unknown): Promise<Outcome> => {
  try {
    await attempt()
    return null
  } catch (error) {
    if (!(error instanceof EffuseError))
      throw new Finding(error instanceof Error ? `it threw ${error.stack ?? error.message}` : 'it threw no error', {
        cause: error,
      })
    if (error.code === 'EF901') throw new Finding(`it is called a fault of effuse: ${error.message}`)
    const fault = messageFault(error.message) ?? messageFault(error.hint ?? '')
    if (fault !== null) throw new Finding(`its message ${fault}: ${JSON.stringify(error.message.slice(0, 2000))}`)
    return error.code
  }
}

/** Far more than a person reads. */
const messageMax = 8000

/** What a message may not hold: what a terminal would obey, and more than can be read. */
export const messageFault = (message: string): string | null => {
  if (message.length > messageMax) return `has ${message.length} characters`
  // Line ends alone are ours.
  const found = /(?!\n)\p{Cc}|[\u200e\u200f\u2028-\u202e\u2066-\u2069]/u.exec(message)?.[0]
  return found === undefined
    ? null
    : `holds the control character U+${found.charCodeAt(0).toString(16).padStart(4, '0')}`
}

const memoryInUse = (): number => {
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const shared: readonly object[] = [Object, Array, Function, String, Number, Map, Set, Promise].map(
  ({ prototype }) => prototype as object, // each of these has one
)

/** How many properties each shared prototype has. */
const prototypeKeys = (): string => shared.map((prototype) => Reflect.ownKeys(prototype).length).join(' ')
