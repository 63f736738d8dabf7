import type { Accumulator, Expr, Phase } from './kernel.ts'
import { argsOf, termsOf, withArgs, withStoreArgs } from './rewrite.ts'

/** The expressions of a phase. Equal expressions are stored once. */
export class ExprTable {
  readonly all: Expr[] = []
  readonly #known = new Map<string, number>()

  add(expr: Expr): number {
    // JSON cannot represent -0, NaN and infinities.
    const number = expr.kind === 'constant' ? expr.value : expr.kind === 'load' ? expr.fill : 0
    const isLost = Object.is(number, -0) || !Number.isFinite(number)
    const key = `${JSON.stringify(expr)}${isLost ? (Object.is(number, -0) ? '-0' : number) : ''}`
    const known = this.#known.get(key)
    if (known !== undefined) return known
    this.all.push(expr)
    this.#known.set(key, this.all.length - 1)
    return this.all.length - 1
  }
}

/** Merges equal expressions of the phase, and removes expressions that no store uses. */
export const withoutUnused = (phase: Phase): Phase => {
  const table = new ExprTable()
  const accumulators: Accumulator[] = []
  const placeOf = new Map<number, number>()
  const needed = neededBy(phase)
  for (const [at, expr] of phase.exprs.entries()) {
    if (!needed.has(at)) continue
    const to = (arg: number): number => placeOf.get(arg) as number // an earlier expression
    const moved = withArgs(expr, to)
    if (moved.kind !== 'accumulated') {
      placeOf.set(at, table.add(moved))
      continue
    }
    const { factors, guard, ...rest } = phase.accumulators[moved.accumulator] as Accumulator // verified
    accumulators.push({ ...rest, factors: factors.map(to), guard: guard === null ? null : to(guard) })
    placeOf.set(at, table.add({ ...moved, accumulator: accumulators.length - 1 }))
  }
  const stores = phase.stores.map((store) => withStoreArgs(store, (arg) => placeOf.get(arg) as number)) // all stores stay
  return { ...phase, exprs: table.all, accumulators, stores }
}

const neededBy = ({ exprs, accumulators, stores }: Phase): ReadonlySet<number> => {
  const found = new Set<number>()
  const open = stores.flatMap(({ value, coordinates }) => [
    value,
    ...coordinates.flatMap(({ at }) => (at.kind === 'computed' ? [at.expr] : [])),
  ])
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (found.has(at)) continue
    found.add(at)
    const expr = exprs[at] as Expr // verified
    open.push(...argsOf(expr))
    if (expr.kind === 'accumulated') open.push(...termsOf(accumulators[expr.accumulator] as Accumulator))
  }
  return found
}
