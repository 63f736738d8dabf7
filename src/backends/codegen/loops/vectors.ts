/** What four neighbours on an axis can be computed at once: all ops on all types, of what lies in memory as neighbours. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import type { Coordinate, Expr, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside } from '../kernel/linear.ts'

/** Why neighbours on this axis cannot be a vector, where `depends` are the expressions that depend on the axis; null if they can. */
export const vectorFault = (phase: Phase, axis: number, depends: ReadonlySet<number>): string | null => {
  for (const [at, expr] of phase.exprs.entries()) {
    if (!depends.has(at)) continue
    const fault = exprFault(expr, { axis, phase, depends })
    if (fault !== null) return `expression ${at}: ${fault}`
  }
  for (const { guard, monoid, factors } of phase.accumulators) {
    if (guard !== null && depends.has(guard)) return 'a guard differs within a vector'
    if (monoid === 'argmax' && factors.some((factor) => depends.has(factor))) return 'argmax has no vectors'
  }
  for (const { coordinates } of phase.stores)
    if (strideOn(coordinates, axis) !== 1 || isComputed(coordinates, depends))
      return 'neighbours of a vector are not stored as neighbours'
  return null
}

interface Context {
  readonly phase: Phase
  readonly axis: number
  readonly depends: ReadonlySet<number>
}

const exprFault = (expr: Expr, { phase, axis, depends }: Context): string | null => {
  switch (expr.kind) {
    case 'op':
    case 'accumulated':
      return null
    case 'load': {
      if (strideOn(expr.coordinates, axis) !== 1 || isComputed(expr.coordinates, depends))
        return 'neighbours of a vector are not loaded as neighbours'
      const open = expr.coordinates.filter((coordinate) => !isAlwaysInside(coordinate, phase.axes))
      return open.some((coordinate) => moves(coordinate, axis)) ? 'a vector is partly outside' : null
    }
    default:
      return `${expr.kind} has no vectors`
  }
}

const moves = ({ at }: Coordinate, axis: number): boolean =>
  at.kind === 'linear' && at.terms.some((term) => term.axis === axis)

/** Whether a coordinate is a number that differs within the vector, a gather's index for example. */
const isComputed = (coordinates: readonly Coordinate[], depends: ReadonlySet<number>): boolean =>
  coordinates.some(({ at }) => at.kind === 'computed' && depends.has(at.expr))

/** By how many elements the place moves with the axis; null where that is no whole number. */
const strideOn = (coordinates: readonly Coordinate[], axis: number): number | null => {
  const strides = stridesOf(coordinates.map(({ size }) => size))
  let total = 0
  for (const [i, coordinate] of coordinates.entries()) {
    if (!moves(coordinate, axis) || coordinate.at.kind !== 'linear') continue
    if (coordinate.at.divisor !== 1) return null
    const own = coordinate.at.terms.find((term) => term.axis === axis)?.stride ?? 0
    total += own * (strides[i] as number)
  }
  return total
}
