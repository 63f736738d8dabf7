/**
 * The rules for a case: it may give a result, or throw an EffuseError with a readable message. It may not throw anything else, take long, use
 * disproportionate memory, or change built-in prototypes.
 */
import { EffuseError } from '../../src/ir/diagnostics.ts'

/** The code of the error; null if the case was accepted. */
export type Outcome = string | null

export interface Limits {
  /** Processor time for one case, in milliseconds. A case takes about one; load and garbage collection add some. */
  readonly ms: number
  /** The memory that a case may leave, in bytes, in addition to `bytesPerByte` for each of its bytes. */
  readonly bytes: number
}
export const limits: Limits = { ms: 2000, bytes: 64 * 2 ** 20 }
const bytesPerByte = 200

/** A case that violates a rule. */
export class Finding extends Error {}

/** Runs the attempt. `size`: the size of the case in bytes. @throws Finding with the violated rule */
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

/** Far more than a person would read. */
const messageMax = 8000

/** Why a message is invalid: it has characters that control a terminal, or it is too long. */
export const messageFault = (message: string): string | null => {
  if (message.length > messageMax) return `has ${message.length} characters`
  // Of control characters only line feeds are allowed.
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
  ({ prototype }) => prototype as object, // each of these has a prototype
)

/** The number of properties of each shared prototype. */
const prototypeKeys = (): string => shared.map((prototype) => Reflect.ownKeys(prototype).length).join(' ')
