/** How the points of a phase are visited: plain data, with one function that says what is legal. Any legal schedule gives the same values. */
import type { Coordinate, Expr, Phase } from '../kernel/kernel.ts'
import { vectorFault } from './vectors.ts'

/** A tile of points is computed at once: `rows` neighbours on one axis times `vectors` vectors on another. */
export interface Schedule {
  /** The axis whose neighbours are computed as vectors; null: one by one. */
  readonly vectorAxis: number | null
  readonly vectors: number
  readonly rowAxis: number | null
  readonly rows: number
}

export const plainSchedule: Schedule = { vectorAxis: null, vectors: 1, rowAxis: null, rows: 1 }

/** What is wrong with the schedule for the phase; null where it is legal. */
export const scheduleFault = (phase: Phase, { vectorAxis, vectors, rowAxis, rows }: Schedule): string | null => {
  const isParallel = (axis: number): boolean => axis >= 0 && axis < phase.parallel
  if (vectors < 1 || rows < 1) return 'a tile has one point at least'
  if (rowAxis !== null && (!isParallel(rowAxis) || rowAxis === vectorAxis))
    return `axis ${rowAxis} is not a parallel axis besides that of the vectors`
  if (vectorAxis === null) return vectors === 1 ? null : 'there is no axis for vectors'
  if (!isParallel(vectorAxis)) return `axis ${vectorAxis} is not parallel`
  return vectorFault(phase, vectorAxis, dependents(phase, vectorAxis))
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
