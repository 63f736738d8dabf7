/** Analyses the guards of terms: the conditions in a guard, and the part of an axis where its bounds checks always hold. */
import type { Coordinate, Expr, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside, rangeOf } from '../kernel/linear.ts'

/** True if all coordinates are in bounds and all flags are true. */
export interface Conditions {
  readonly coordinates: readonly Coordinate[]
  /** Numbers of bool expressions. */
  readonly flags: readonly number[]
}

export const conditionsOf = (phase: Phase, guard: number | null): Conditions => {
  if (guard === null) return { coordinates: [], flags: [] }
  const expr = phase.exprs[guard] as Expr // verified
  if (expr.kind === 'inside')
    return {
      coordinates: expr.coordinates.filter((coordinate) => !isAlwaysInside(coordinate, phase.axes)),
      flags: [],
    }
  if (expr.kind !== 'op' || expr.op !== 'and') return { coordinates: [], flags: [guard] }
  const parts = expr.args.map((arg) => conditionsOf(phase, arg))
  return {
    coordinates: parts.flatMap(({ coordinates }) => coordinates),
    flags: parts.flatMap(({ flags }) => flags),
  }
}

export const movesWith = ({ at }: Coordinate, axis: number): boolean =>
  at.kind === 'linear' && at.terms.some((term) => term.axis === axis)

/** The coordinates of the phase that depend on the axis and can be out of bounds. */
const openCoordinates = (phase: Phase, axis: number): readonly Coordinate[] =>
  phase.exprs
    .flatMap((expr) => (expr.kind === 'load' || expr.kind === 'inside' ? expr.coordinates : []))
    .filter((coordinate) => movesWith(coordinate, axis) && !isAlwaysInside(coordinate, phase.axes))

/** The reduced axes that occur in a bounds check together with this axis. */
export const guardedWith = (phase: Phase, axis: number): ReadonlySet<number> =>
  new Set(
    openCoordinates(phase, axis)
      .flatMap(({ at }) => (at.kind === 'linear' ? at.terms.map((term) => term.axis) : []))
      .filter((each) => each >= phase.parallel),
  )

/**
 * The range [first, end) of a parallel axis within which its coordinates are in bounds for all values of the reduced axes. It ignores quotients, and
 * coordinates that also depend on other parallel axes: this axis alone does not decide their bounds checks.
 */
export const interiorOf = (phase: Phase, axis: number): readonly [first: number, end: number] => {
  let [first, last] = [0, (phase.axes[axis] as number) - 1]
  for (const { at, size } of openCoordinates(phase, axis)) {
    if (at.kind !== 'linear' || at.divisor !== 1) continue
    if (at.terms.some((term) => term.axis !== axis && term.axis < phase.parallel)) continue
    const stride = at.terms.find((term) => term.axis === axis)?.stride ?? 1
    const [least, largest] = rangeOf({ ...at, terms: at.terms.filter((term) => term.axis !== axis) }, phase.axes)
    const [low, high] = [-least / stride, (size - 1 - largest) / stride]
    first = Math.max(first, Math.ceil(stride > 0 ? low : high))
    last = Math.min(last, Math.floor(stride > 0 ? high : low))
  }
  // All positions of the axis may be out of bounds.
  const begin = Math.min(first, phase.axes[axis] as number)
  return [begin, Math.max(begin, last + 1)]
}
