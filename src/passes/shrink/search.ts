/**
 * A search for the smallest candidate that still shows a fault. A generator yields candidates that are smaller than the best so far, and receives
 * for each whether it fails. The search does not run candidates itself, so it works for synchronous checks and for checks on a device.
 */
export type Search<T> = Generator<T, T, boolean>

/** The smallest that the search finds; `fails` says whether a candidate shows the fault. */
export const smallest = <T>(search: Search<T>, fails: (candidate: T) => boolean): T => {
  let step = search.next()
  while (step.done !== true) step = search.next(fails(step.value))
  return step.value
}

/** The same with an asynchronous check. */
export const smallestAsync = async <T>(search: Search<T>, fails: (candidate: T) => Promise<boolean>): Promise<T> => {
  let step = search.next()
  while (step.done !== true) step = search.next(await fails(step.value))
  return step.value
}

/** Yields candidates within the budget. The last one that failed is the best. */
export class Attempts<T> {
  best: T
  #left: number
  readonly #priceOf: (candidate: T) => number
  constructor(first: T, budget: number, priceOf: (candidate: T) => number = () => 1) {
    this.best = first
    this.#left = budget
    this.#priceOf = priceOf
  }
  /** Yields a candidate (null: none). True if it fails too; it is then the best. */
  *of(candidate: T | null): Generator<T, boolean, boolean> {
    if (candidate === null || this.#left <= 0) return false
    this.#left -= this.#priceOf(candidate)
    const fails = yield candidate
    if (fails) this.best = candidate
    return fails
  }
}

/** The fewest items that are needed; removes halves first. `make` returns the candidate that keeps the given items. */
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
