/** What verification gives: how many cases, what failed and how near the rest came to its tolerance. */

/** The smallest case found that still fails: its graphs as IR text, and the numbers of its inputs and variables, zeros and ones where they do not matter. */
export interface Counterexample {
  readonly graph: string
  readonly inputs: { readonly [name: string]: readonly number[] }
}

export interface VerificationFailure {
  readonly name: string
  readonly counterexample: Counterexample
  /** How far off; a message where the backend or the pass threw, or where no single number says it. */
  readonly error: number | string
  readonly tolerance: number
}

/** The accepted result nearest to its tolerance. */
export interface Worst {
  readonly name: string
  readonly error: number
  readonly tolerance: number
}

export interface Verification {
  readonly seed: number
  readonly cases: number
  readonly failures: readonly VerificationFailure[]
  readonly worst: Worst | null
}

/** Options of every verification. */
export interface VerifyOptions {
  /** Of the random cases (default 1). */
  readonly seed?: number | undefined
  /** Random cases of each kind (default 100). */
  readonly runs?: number | undefined
  /** A folder that keeps failures; those in it are tried first. Default: none. `effuse verify` uses `.effuse/failures`. */
  readonly failures?: string | undefined
  /** Called after each case. */
  readonly onCase?: (() => void) | undefined
}

/** Counts cases, and keeps failures and the worst. */
export class Tally {
  readonly seed: number
  readonly failures: VerificationFailure[] = []
  worst: Worst | null = null
  cases = 0
  readonly #onCase: (() => void) | undefined

  constructor({ seed = 1, onCase }: VerifyOptions) {
    this.seed = seed
    this.#onCase = onCase
  }

  case(): void {
    this.cases++
    this.#onCase?.()
  }

  /** An accepted result. */
  accept(name: string, { error, tolerance }: { readonly error: number; readonly tolerance: number }): void {
    const ratio = error / tolerance
    if (error > 0 && (this.worst === null || ratio > this.worst.error / this.worst.tolerance))
      this.worst = { name, error, tolerance }
  }

  get result(): Verification {
    return { seed: this.seed, cases: this.cases, failures: [...this.failures], worst: this.worst }
  }
}

/** Several verifications as one; the seed is that of the first. */
export const joined = (parts: readonly Verification[]): Verification => ({
  seed: parts[0]?.seed ?? 1,
  cases: parts.reduce((sum, { cases }) => sum + cases, 0),
  failures: parts.flatMap(({ failures }) => failures),
  worst: parts.reduce<Worst | null>(
    (worst, { worst: other }) =>
      other !== null && (worst === null || other.error / other.tolerance > worst.error / worst.tolerance)
        ? other
        : worst,
    null,
  ),
})
