/** The result of a verification: the number of cases, the failures, and the accepted case nearest to its tolerance. */

/** The smallest failing case that was found: its graphs as IR text, and the numbers of its inputs and variables, simplified to 0 and 1 if possible. */
export interface Counterexample {
  readonly graph: string
  readonly inputs: { readonly [name: string]: readonly number[] }
}

export interface VerificationFailure {
  readonly name: string
  readonly counterexample: Counterexample
  /** The error; or a message if the backend or the pass threw, or if there is no single number. */
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
  /** Seed of the random cases (default 1). */
  readonly seed?: number | undefined
  /** Random cases of each kind (default 100). */
  readonly runs?: number | undefined
  /** A folder for failures; those in it are tried first. Default: none. `effuse verify` uses `.effuse/failures`. */
  readonly failures?: string | undefined
  /** Called after each case. */
  readonly onCase?: (() => void) | undefined
}

/** Counts cases, and collects failures and the worst accepted result. */
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

  /** Records an accepted result. */
  accept(name: string, { error, tolerance }: { readonly error: number; readonly tolerance: number }): void {
    const ratio = error / tolerance
    if (error > 0 && (this.worst === null || ratio > this.worst.error / this.worst.tolerance))
      this.worst = { name, error, tolerance }
  }

  get result(): Verification {
    return { seed: this.seed, cases: this.cases, failures: [...this.failures], worst: this.worst }
  }
}

/** Joins several verifications; the seed is that of the first. */
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
