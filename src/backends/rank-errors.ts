/**
 * Bounds for ops that sort: argMax and topK of values that may be off by known errors. An element can take another rank if its interval overlaps
 * the others; docs/verification.md derives it.
 */
import type { RefTensor } from '../ir/op-def.ts'
import { isLarger } from '../ir/ops/reduction/arg-max.ts'
import { elements } from '../ir/types.ts'

/** Bounds of the sorted values and of their indices. */
export interface RankErrors {
  readonly values: Float64Array
  readonly indices: Float64Array
}

/** The first `k` of each line along `axis`, by size: `values` and `indices` have the order of the op's results. */
export const rankErrorsOf = (x: RefTensor, errors: Float64Array, axis: number, k: number): RankErrors => {
  const size = x.shape[axis] ?? 1
  const inner = elements(x.shape.slice(axis + 1))
  const outer = elements(x.shape.slice(0, axis))
  const values = new Float64Array(outer * k * inner)
  const indices = new Float64Array(outer * k * inner)
  for (let line = 0; line < outer * inner; line++) {
    const [before, after] = [Math.floor(line / inner), line % inner]
    const at = (from: Float64Array): readonly number[] =>
      Array.from({ length: size }, (_, i) => from[(before * size + i) * inner + after] as number) // within the line
    const found = errorsOfLine(at(x.data), at(errors), k)
    for (let rank = 0; rank < k; rank++) {
      const to = (before * k + rank) * inner + after
      values[to] = found.values[rank] as number
      indices[to] = found.indices[rank] as number
    }
  }
  return { values, indices }
}

const errorsOfLine = (
  x: readonly number[],
  errors: readonly number[],
  k: number,
): { readonly values: readonly number[]; readonly indices: readonly number[] } => {
  const order = x.map((_, i) => i).sort((i, j) => descending(x[i] as number, x[j] as number) || i - j)
  const first = order.slice(0, k)
  // A number that is not finite and has an error may be any number in another computation.
  if (x.some((value, i) => errors[i] !== 0 && !Number.isFinite(value + (errors[i] as number))))
    return { values: first.map(() => Infinity), indices: first.map((i) => Math.max(i, x.length - 1 - i)) }
  const low = x.map((value, i) => value - (errors[i] as number))
  const high = x.map((value, i) => value + (errors[i] as number))
  // The m-th largest number lies between the m-th largest of the lower ends and the m-th largest of the upper ends.
  const [lowest, highest] = [low.toSorted(descending), high.toSorted(descending)]
  const values = first.map((i, rank) =>
    errors.every((error) => error === 0)
      ? 0
      : Math.max(distance(highest[rank] as number, x[i] as number), distance(x[i] as number, lowest[rank] as number)),
  )
  // Is i surely before j: larger by more than both errors, or, of numbers without an error, larger or an equal one with a lower index?
  const isBefore = (i: number, j: number): boolean =>
    isLarger(low[i] as number, high[j] as number) ||
    (errors[i] === 0 && errors[j] === 0 && descending(x[i] as number, x[j] as number) === 0 && i < j)
  const ranks = x.map((_, i) => ({
    least: x.filter((_, j) => j !== i && isBefore(j, i)).length,
    most: x.filter((_, j) => j !== i && !isBefore(i, j)).length,
  }))
  const indices = first.map((i, rank) =>
    ranks.reduce(
      (most, { least, most: last }, j) => (least <= rank && rank <= last ? Math.max(most, Math.abs(j - i)) : most),
      0,
    ),
  )
  return { values, indices }
}

/** The order of topK: NaN is largest. */
const descending = (a: number, b: number): number => (isLarger(a, b) ? -1 : isLarger(b, a) ? 1 : 0)

/** Equal infinities have no distance. */
const distance = (a: number, b: number): number =>
  a === b || (Number.isNaN(a) && Number.isNaN(b)) ? 0 : Math.abs(a - b)
