/** Helpers for rewriting kernels: the linear numbers in expressions, and the dependences of expressions. */
import type { Accumulator, Coordinate, Expr, Linear, Phase, Store } from './kernel.ts'
import { axis, scaled, sum } from './linear.ts'

const mapCoordinates = (coordinates: readonly Coordinate[], change: (x: Linear) => Linear): readonly Coordinate[] =>
  coordinates.map(({ at, size }) => ({ at: at.kind === 'linear' ? change(at) : at, size }))

/** The expression with `change` applied to each of its linear numbers. */
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

/** The linear numbers in the expression, without those of its arguments. */
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

/** The direct arguments of an expression; none for an accumulated value. */
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

/** The factors and the guard of an accumulator. */
export const termsOf = ({ factors, guard }: Accumulator): readonly number[] =>
  guard === null ? factors : [...factors, guard]

/** The roots and all expressions that they depend on, without the terms of accumulators. */
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

/** The axes that these expressions use. */
export const axesIn = ({ exprs }: Phase, among: Iterable<number>): ReadonlySet<number> =>
  new Set(
    [...among].flatMap((at) => linearsOf(exprs[at] as Expr).flatMap(({ terms }) => terms.map(({ axis }) => axis))),
  )

const coordinatesWith = (coordinates: readonly Coordinate[], to: (arg: number) => number): readonly Coordinate[] =>
  coordinates.map(({ at, size }) => ({ at: at.kind === 'computed' ? { ...at, expr: to(at.expr) } : at, size }))

/** The expression with its arguments replaced. */
export const withArgs = (expr: Expr, to: (arg: number) => number): Expr => {
  switch (expr.kind) {
    case 'op':
      return { ...expr, args: expr.args.map(to) }
    case 'load':
    case 'inside':
      return { ...expr, coordinates: coordinatesWith(expr.coordinates, to) }
    default:
      return expr
  }
}

export const withStoreArgs = (store: Store, to: (arg: number) => number): Store => ({
  ...store,
  coordinates: coordinatesWith(store.coordinates, to),
  value: to(store.value),
})

/** The linear number with its axes replaced by linear numbers without divisors. */
export const substituted = (x: Linear, numbers: ReadonlyMap<number, Linear>): Linear => ({
  ...sum([{ ...x, terms: [] }, ...x.terms.map(({ axis: at, stride }) => scaled(numbers.get(at) ?? axis(at), stride))]),
  divisor: x.divisor,
})

/** Removes reduced axes that no accumulator runs over. */
export const withoutUnusedAxes = (phase: Phase): Phase => {
  const used = new Set(phase.accumulators.flatMap(({ axes }) => axes))
  const kept = phase.axes.flatMap((_, at) => (at < phase.parallel || used.has(at) ? [at] : []))
  const change = (x: Linear): Linear => ({
    ...x,
    terms: x.terms.map(({ axis: at, stride }) => ({ axis: kept.indexOf(at), stride })),
  })
  return {
    ...phase,
    axes: kept.map((at) => phase.axes[at] as number),
    exprs: phase.exprs.map((expr) => mapLinears(expr, change)),
    accumulators: phase.accumulators.map((each) => ({ ...each, axes: each.axes.map((at) => kept.indexOf(at)) })),
    stores: phase.stores.map((store) => mapStore(store, change)),
  }
}

/** For each expression, the axes that it and the expressions that it uses depend on. */
export const axesByExpr = ({ exprs, accumulators }: Phase): readonly ReadonlySet<number>[] => {
  const reach: ReadonlySet<number>[] = []
  for (const expr of exprs) {
    const parts = expr.kind === 'accumulated' ? termsOf(accumulators[expr.accumulator] as Accumulator) : argsOf(expr)
    const own = linearsOf(expr).flatMap(({ terms }) => terms.map(({ axis }) => axis))
    reach.push(new Set([...own, ...parts.flatMap((part) => [...(reach[part] as ReadonlySet<number>)])])) // expressions use earlier ones
  }
  return reach
}
