/** Decides what can be vectorized: all ops on all types. Elements that are not contiguous in memory are gathered one by one. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import type { Coordinate, Expr, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside } from '../kernel/linear.ts'

/** An axis, and the expressions that depend on it. */
export interface VectorAxis {
  readonly axis: number
  readonly depends: ReadonlySet<number>
}

/** Why the axis cannot be vectorized; null if it can. */
export const vectorFault = (phase: Phase, along: VectorAxis): string | null => {
  const { axis, depends } = along
  for (const [at, expr] of phase.exprs.entries()) {
    if (!depends.has(at) || expr.kind !== 'load') continue
    const fault = loadFault(expr, phase, along)
    if (fault !== null) return `expression ${at}: ${fault}`
  }
  for (const { guard, monoid, factors } of phase.accumulators) {
    if (guard !== null && depends.has(guard)) return 'a guard differs within a vector'
    if (monoid === 'argmax' && factors.some((factor) => depends.has(factor))) return 'argmax cannot be vectorized'
  }
  for (const { coordinates } of phase.stores)
    if (strideOn(coordinates, axis) !== 1 || isComputed(coordinates, depends))
      return 'adjacent elements of a vector are not contiguous in the stored buffer'
  return null
}

type Load = Extract<Expr, { kind: 'load' }>

/** Loading four elements one by one would be legal, but another axis is faster if there is one. */
const loadFault = ({ coordinates }: Load, phase: Phase, { axis, depends }: VectorAxis): string | null => {
  if (isComputed(coordinates, depends))
    return coordinates.some(({ at }) => at.kind === 'computed' && depends.has(at.expr) && isSummed(at.expr, phase))
      ? 'an accumulated index differs within a vector'
      : null
  return strideOn(coordinates, axis) === 1
    ? null
    : 'adjacent elements of a vector are not contiguous in the loaded buffer'
}

/** Does the expression depend on an accumulator? */
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

/** Are the four lanes of the expression computed one by one? */
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

/** Is a coordinate computed, and different within a vector? For example the index of a gather. */
const isComputed = (coordinates: readonly Coordinate[], depends: ReadonlySet<number>): boolean =>
  coordinates.some(({ at }) => at.kind === 'computed' && depends.has(at.expr))

/** The distance in elements between adjacent points of the axis; null if it is not an integer. */
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
