/** What four neighbours on an axis can be computed at once: all ops on all types. What does not lie in memory as neighbours is put together. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import type { Coordinate, Expr, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside } from '../kernel/linear.ts'

/** An axis, and the expressions that depend on it. */
export interface VectorAxis {
  readonly axis: number
  readonly depends: ReadonlySet<number>
}

/** Why neighbours on this axis cannot be a vector; null if they can. */
export const vectorFault = (phase: Phase, along: VectorAxis): string | null => {
  const { axis, depends } = along
  for (const [at, expr] of phase.exprs.entries()) {
    if (!depends.has(at) || expr.kind !== 'load') continue
    const fault = loadFault(expr, phase, along)
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

type Load = Extract<Expr, { kind: 'load' }>

/** Four loads of numbers that lie apart would be legal, but another axis is better where there is one. */
const loadFault = ({ coordinates }: Load, phase: Phase, { axis, depends }: VectorAxis): string | null => {
  if (isComputed(coordinates, depends))
    return coordinates.some(({ at }) => at.kind === 'computed' && depends.has(at.expr) && isSummed(at.expr, phase))
      ? 'an index that is accumulated differs within a vector'
      : null
  return strideOn(coordinates, axis) === 1 ? null : 'neighbours of a vector are not loaded as neighbours'
}

/** Whether an accumulator is in the expression. */
const isSummed = (at: number, phase: Phase): boolean => {
  const expr = phase.exprs[at] as Expr // verified
  if (expr.kind === 'accumulated') return true
  const parts =
    expr.kind === 'op'
      ? expr.args
      : expr.kind === 'load'
        ? expr.coordinates.flatMap((coordinate) => (coordinate.at.kind === 'computed' ? [coordinate.at.expr] : []))
        : []
  return parts.some((part) => isSummed(part, phase))
}

/** Whether the four numbers of a vector are made one by one, each at its own point. */
export const isLaneByLane = (expr: Expr, phase: Phase, { axis, depends }: VectorAxis): boolean => {
  switch (expr.kind) {
    case 'inside':
      return true
    case 'index':
      return expr.of.divisor !== 1
    case 'random':
      return expr.index.divisor !== 1 || expr.index.terms.find((term) => term.axis === axis)?.stride !== 1
    case 'load':
      return (
        isComputed(expr.coordinates, depends) ||
        expr.coordinates.some((coordinate) => moves(coordinate, axis) && !isAlwaysInside(coordinate, phase.axes))
      )
    default:
      return false
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
