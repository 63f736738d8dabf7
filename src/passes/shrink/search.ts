/**
 * A search for the smallest thing that still shows a fault, apart from the question whether it does: a generator gives candidates, smaller than the
 * best so far, and hears of each whether it fails. So one search serves faults that show at once and faults that show on a device.
 */
export type Search<T> = Generator<T, T, boolean>

/** The smallest that the search finds; `fails` says whether a candidate shows the fault. */
export const smallest = <T>(search: Search<T>, fails: (candidate: T) => boolean): T => {
  let step = search.next()
  while (step.done !== true) step = search.next(fails(step.value))
  return step.value
}

/** The same where the answer takes a while. */
export const smallestAsync = async <T>(search: Search<T>, fails: (candidate: T) => Promise<boolean>): Promise<T> => {
  let step = search.next()
  while (step.done !== true) step = search.next(await fails(step.value))
  return step.value
}

/** Candidates for as long as the budget lasts; the last one that failed is the best. */
export class Attempts<T> {
  best: T
  #left: number
  readonly #priceOf: (candidate: T) => number
  constructor(first: T, budget: number, priceOf: (candidate: T) => number = () => 1) {
    this.best = first
    this.#left = budget
    this.#priceOf = priceOf
  }
  /** Offers a candidate; null is none. True where it fails as well: it is the best from then on. */
  *of(candidate: T | null): Generator<T, boolean, boolean> {
    if (candidate === null || this.#left <= 0) return false
    this.#left -= this.#priceOf(candidate)
    const fails = yield candidate
    if (fails) this.best = candidate
    return fails
  }
}

/** The fewest of the items that are needed, by halves first; `make` gives the candidate that keeps them. */
export function* fewest<T, I>(
  attempts: Attempts<T>,
  items: readonly I[],
  make: (kept: readonly I[]) => T | null,
): Generator<T, readonly I[], boolean> {
  let kept = items
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length && kept.length > 1; ) {
      const rest = kept.toSpliced(at, size)
      if (rest.length > 0 && (yield* attempts.of(make(rest)))) kept = rest
      else at += size
    }
  }
  return kept
}
