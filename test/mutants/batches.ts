/** The order in which the tests that reach a mutant run. */
import type { Reaching } from './reach.ts'

/** The time of the tests that run first. */
const firstMs = 1000

/** The fastest tests first: slow tests run only if the fast ones pass. Each batch takes several times as long as the one before. */
export const batchesOf = (tests: readonly Reaching[]): readonly (readonly Reaching[])[] => {
  const batches: Reaching[][] = []
  let most = 0
  let sum = 0
  for (const test of tests.toSorted((a, b) => a.ms - b.ms)) {
    sum += test.ms
    if (batches.length === 0 || sum > most) {
      batches.push([])
      most = Math.max(firstMs, 4 * sum)
    }
    batches.at(-1)?.push(test)
  }
  return batches
}
