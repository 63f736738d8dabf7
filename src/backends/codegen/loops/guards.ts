/** What decides whether a term counts, taken apart, and where along an axis it decides nothing. */
import type { Coordinate, Expr, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside, rangeOf } from '../kernel/linear.ts'

/** All coordinates are inside, and all flags are true. */
export interface Conditions {
  readonly coordinates: readonly Coordinate[]
  /** Expressions. */
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

/** Coordinates of the phase that can be outside, and move with the axis. */
const openCoordinates = (phase: Phase, axis: number): readonly Coordinate[] =>
  phase.exprs
    .flatMap((expr) => (expr.kind === 'load' || expr.kind === 'inside' ? expr.coordinates : []))
    .filter((coordinate) => movesWith(coordinate, axis) && !isAlwaysInside(coordinate, phase.axes))

/** Reduced axes that decide together with this axis whether a coordinate is inside. */
export const guardedWith = (phase: Phase, axis: number): ReadonlySet<number> =>
  new Set(
    openCoordinates(phase, axis)
      .flatMap(({ at }) => (at.kind === 'linear' ? at.terms.map((term) => term.axis) : []))
      .filter((each) => each >= phase.parallel),
  )

/**
 * Where along a parallel axis, [first, end), each coordinate that moves with it and else with reduced axes only is inside for all of their points.
 * Quotients and coordinates that move with other parallel axes are left out: they are inside nowhere or everywhere by this axis alone.
 */
export const interiorOf = (phase: Phase, axis: number): readonly [first: number, end: number] => {
  let [first, last] = [0, (phase.axes[axis] as number) - 1]
  for (const { at, size } of openCoordinates(phase, axis)) {
    if (at.kind !== 'linear' || at.divisor !== 1) continue
    if (at.terms.some((term) => term.axis !== axis && term.axis < phase.parallel)) continue
    const stride = at.terms.find((term) => term.axis === axis)?.stride ?? 1
    const [least, largest] = rangeOf({ ...at, terms: at.terms.filter((term) => term.axis !== axis) }, phase.axes)
    const [low, high] = [-least / stride, (size - 1 - largest) / stride]
    first = Math.max(first, Math.ceil(Math.min(low, high)))
    last = Math.min(last, Math.floor(Math.max(low, high)))
  }
  return [first, Math.max(first, last + 1)]
}
