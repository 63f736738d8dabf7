/** Parts of rewrites of kernels: the numbers in expressions, and what expressions depend on. */
import type { Accumulator, Coordinate, Expr, Linear, Phase, Store } from './kernel.ts'

const mapCoordinates = (coordinates: readonly Coordinate[], change: (x: Linear) => Linear): readonly Coordinate[] =>
  coordinates.map(({ at, size }) => ({ at: at.kind === 'linear' ? change(at) : at, size }))

/** The expression with each of its linear numbers changed. */
export const mapLinears = (expr: Expr, change: (x: Linear) => Linear): Expr => {
  switch (expr.kind) {
    case 'load':
    case 'inside':
      return { ...expr, coordinates: mapCoordinates(expr.coordinates, change) }
    case 'index':
      return { ...expr, of: change(expr.of) }
    case 'random':
      return { ...expr, index: change(expr.index) }
    default:
      return expr
  }
}

export const mapStore = (store: Store, change: (x: Linear) => Linear): Store => ({
  ...store,
  coordinates: mapCoordinates(store.coordinates, change),
})

/** The linear numbers of an expression itself. */
export const linearsOf = (expr: Expr): readonly Linear[] => {
  switch (expr.kind) {
    case 'load':
    case 'inside':
      return expr.coordinates.flatMap(({ at }) => (at.kind === 'linear' ? [at] : []))
    case 'index':
      return [expr.of]
    case 'random':
      return [expr.index]
    default:
      return []
  }
}

/** The expressions that an expression uses itself; of an accumulated value, none. */
export const argsOf = (expr: Expr): readonly number[] => {
  switch (expr.kind) {
    case 'load':
    case 'inside':
      return expr.coordinates.flatMap(({ at }) => (at.kind === 'computed' ? [at.expr] : []))
    case 'op':
      return expr.args
    default:
      return []
  }
}

/** The expressions of an accumulator. */
export const termsOf = ({ factors, guard }: Accumulator): readonly number[] =>
  guard === null ? factors : [...factors, guard]

/** The expression and all that it is computed from, without the terms of accumulators. */
export const reachedFrom = ({ exprs }: Phase, roots: readonly number[]): ReadonlySet<number> => {
  const found = new Set<number>()
  const open = [...roots]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (found.has(at)) continue
    found.add(at)
    open.push(...argsOf(exprs[at] as Expr)) // verified
  }
  return found
}

/** The axes of the numbers in these expressions. */
export const axesIn = ({ exprs }: Phase, among: Iterable<number>): ReadonlySet<number> =>
  new Set(
    [...among].flatMap((at) => linearsOf(exprs[at] as Expr).flatMap(({ terms }) => terms.map(({ axis }) => axis))),
  )
