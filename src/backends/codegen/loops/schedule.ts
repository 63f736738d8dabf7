/** How the points of a phase are visited: plain data, with one function that says what is legal. Any legal schedule gives the same values. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import type { Coordinate, Expr, Phase, ScalarOp } from '../kernel/kernel.ts'
import { isAlwaysInside } from '../kernel/linear.ts'

/** A tile of points is computed at once: `rows` neighbours on one axis times `vectors` vectors on another. */
export interface Schedule {
  /** The axis whose neighbours are computed as vectors; null: one by one. */
  readonly vectorAxis: number | null
  readonly vectors: number
  readonly rowAxis: number | null
  readonly rows: number
}

export const plainSchedule: Schedule = { vectorAxis: null, vectors: 1, rowAxis: null, rows: 1 }

/** Ops that have an instruction on vectors of float32. */
export const vectorOps = [
  'neg',
  'abs',
  'floor',
  'ceil',
  'round',
  'exp',
  'sigmoid',
  'sqrt',
  'rsqrt',
  'reciprocal',
  'relu',
  'relu6',
  'add',
  'sub',
  'mul',
  'div',
  'maximum',
  'minimum',
] as const satisfies readonly ScalarOp[]
export type VectorOp = (typeof vectorOps)[number]

export const isVectorOp = (op: ScalarOp): op is VectorOp => vectorOps.some((name) => name === op)

/** What is wrong with the schedule for the phase; null where it is legal. */
export const scheduleFault = (phase: Phase, { vectorAxis, vectors, rowAxis, rows }: Schedule): string | null => {
  const isParallel = (axis: number): boolean => axis >= 0 && axis < phase.parallel
  if (vectors < 1 || rows < 1) return 'a tile has one point at least'
  if (rowAxis !== null && (!isParallel(rowAxis) || rowAxis === vectorAxis))
    return `axis ${rowAxis} is not a parallel axis besides that of the vectors`
  if (vectorAxis === null) return vectors === 1 ? null : 'there is no axis for vectors'
  if (!isParallel(vectorAxis)) return `axis ${vectorAxis} is not parallel`
  return vectorFault(phase, vectorAxis)
}

const vectorFault = (phase: Phase, axis: number): string | null => {
  const depends = dependents(phase, axis)
  for (const [at, expr] of phase.exprs.entries()) {
    if (!depends.has(at)) continue
    const fault = exprFault(expr, axis, phase)
    if (fault !== null) return `expression ${at}: ${fault}`
  }
  for (const { guard, monoid, factors, dtype } of phase.accumulators) {
    if (guard !== null && depends.has(guard)) return 'a guard differs within a vector'
    if (!factors.some((factor) => depends.has(factor))) continue
    if (monoid === 'argmax' || monoid === 'and' || monoid === 'or' || dtype !== 'float32')
      return `${monoid} of ${dtype} has no vectors`
  }
  for (const { coordinates, value } of phase.stores) {
    if (strideOn(coordinates, axis) !== 1) return 'neighbours of a vector are not stored as neighbours'
    if (phase.exprs[value]?.dtype !== 'float32') return 'what is stored is not float32'
  }
  return null
}

const exprFault = (expr: Expr, axis: number, phase: Phase): string | null => {
  if (expr.dtype !== 'float32') return `vectors hold float32, not ${expr.dtype}`
  switch (expr.kind) {
    case 'op':
      return isVectorOp(expr.op) ? null : `${expr.op} has no vectors`
    case 'load': {
      if (strideOn(expr.coordinates, axis) !== 1) return 'neighbours of a vector are not loaded as neighbours'
      const open = expr.coordinates.filter((coordinate) => !isAlwaysInside(coordinate, phase.axes))
      return open.some((coordinate) => moves(coordinate, axis)) ? 'a vector is partly outside' : null
    }
    case 'accumulated':
      return null
    default:
      return `${expr.kind} has no vectors`
  }
}

const moves = ({ at }: Coordinate, axis: number): boolean =>
  at.kind === 'linear' && at.terms.some((term) => term.axis === axis)

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

/** Expressions whose values depend on the axis. */
export const dependents = ({ exprs, accumulators }: Phase, axis: number): ReadonlySet<number> => {
  const found = new Set<number>()
  for (const [at, expr] of exprs.entries()) {
    const linears =
      expr.kind === 'index'
        ? [expr.of]
        : expr.kind === 'random'
          ? [expr.index]
          : coordinatesOf(expr).flatMap(({ at: x }) => (x.kind === 'linear' ? [x] : []))
    const args =
      expr.kind === 'op'
        ? expr.args
        : expr.kind === 'accumulated'
          ? accumulators
              .slice(expr.accumulator, expr.accumulator + 1)
              .flatMap(({ factors, guard }) => [...factors, ...(guard === null ? [] : [guard])])
          : coordinatesOf(expr).flatMap(({ at: x }) => (x.kind === 'computed' ? [x.expr] : []))
    if (linears.some(({ terms }) => terms.some((term) => term.axis === axis)) || args.some((arg) => found.has(arg)))
      found.add(at)
  }
  return found
}

const coordinatesOf = (expr: Expr): readonly Coordinate[] =>
  expr.kind === 'load' || expr.kind === 'inside' ? expr.coordinates : []

/**
 * A tile that keeps its sums in the registers of an x64 or ARM processor: 4 rows of 8 columns where both axes are long enough (wasm.md: measured best
 * on two versions of V8), plain where vectors are not legal.
 */
export const defaultSchedule = (phase: Phase): Schedule => {
  const vectorAxis = phase.parallel - 1
  const size = phase.axes[vectorAxis] ?? 1
  const wanted: Schedule = { vectorAxis, vectors: size >= 8 ? 2 : 1, rowAxis: null, rows: 1 }
  if (size < 4 || scheduleFault(phase, wanted) !== null) return plainSchedule
  // Rows share what does not depend on them: worth it where sums do.
  const rowAxis = phase.accumulators.length === 0 ? -1 : longestAxis(phase, vectorAxis)
  return rowAxis < 0 ? wanted : { ...wanted, rowAxis, rows: 4 }
}

/** The innermost parallel axis of at least four points besides this one; -1 where there is none. */
const longestAxis = ({ axes, parallel }: Phase, besides: number): number => {
  for (let axis = parallel - 1; axis >= 0; axis--) if (axis !== besides && (axes[axis] as number) >= 4) return axis
  return -1
}
