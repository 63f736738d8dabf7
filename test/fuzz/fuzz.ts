/** Runs a target: first stored cases, then random ones from a seed. It shrinks the first case that violates a rule. */
import fc from 'fast-check'
import { type Finding, judge, type Limits, limits } from './judge.ts'
import type { FuzzTarget } from './target.ts'

export interface FuzzOptions {
  readonly cases: number
  readonly seed: number
  readonly limits?: Limits | undefined
  /** Called before each case. */
  readonly onCase?: ((count: number, bytes: Uint8Array) => void) | undefined
}

export interface FuzzReport {
  readonly target: string
  readonly seed: number
  /** The number of cases, including those of shrinking. */
  readonly cases: number
  readonly accepted: number
  /** Error code -> how many cases it rejected. */
  readonly refused: { readonly [code: string]: number }
  readonly failure: FuzzFailure | null
}
export interface FuzzFailure {
  /** The smallest case that violates the rule, as its file. */
  readonly bytes: Uint8Array
  readonly message: string
}

export const fuzz = async <T>(target: FuzzTarget<T>, options: FuzzOptions): Promise<FuzzReport> => {
  const { seed, cases: numRuns, onCase } = options
  const refused: { [code: string]: number } = {}
  let [cases, accepted] = [0, 0]
  const attempt = async (given: T): Promise<void> => {
    const bytes = target.file.write(given)
    onCase?.(cases, bytes)
    // A WeakRef that was dereferenced keeps its target alive until the end of the turn. Without turns, the graphs of all cases would stay alive.
    if (cases++ % 16 === 0) await new Promise(setImmediate)
    const code = await judge(() => target.attempt(given), bytes.length, options.limits ?? limits)
    if (code === null) accepted++
    else refused[code] = (refused[code] ?? 0) + 1
  }
  const found = await fc.check(fc.asyncProperty(target.cases, attempt), { seed, numRuns })
  const [counterexample] = found.counterexample ?? []
  const failure =
    counterexample === undefined
      ? null
      : { bytes: target.file.write(counterexample), message: messageOf(found.errorInstance) }
  return { target: target.name, seed, cases, accepted, refused, failure }
}

/** Runs one stored case again. @returns The fault, or null. */
export const replay = async <T>(target: FuzzTarget<T>, bytes: Uint8Array): Promise<string | null> => {
  try {
    await judge(() => target.attempt(target.file.read(bytes)), bytes.length)
    return null
  } catch (error) {
    return messageOf(error)
  }
}

const messageOf = (error: unknown): string => (error as Finding | undefined)?.message ?? String(error) // judge() throws only findings
