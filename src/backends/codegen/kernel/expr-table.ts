import { attrsJson, exactNumber } from '../../../ir/exact-json.ts'
import type { Accumulator, Coordinate, Expr, Linear, Phase } from './kernel.ts'
import { argsOf, termsOf, withArgs, withStoreArgs } from './rewrite.ts'

/** The expressions of a phase. Equal expressions are stored once. */
export class ExprTable {
  readonly all: Expr[] = []
  readonly #known = new Map<string, number>()

  add(expr: Expr): number {
    const key = keyOf(expr)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    this.all.push(expr)
    this.#known.set(key, this.all.length - 1)
    return this.all.length - 1
  }
}

/** Equal for equal expressions. A template takes a fraction of the time of JSON, and this runs for each expression of each kernel. */
const keyOf = (expr: Expr): string => {
  switch (expr.kind) {
    case 'load':
      return `load ${expr.buffer} ${exactNumber(expr.fill)} ${expr.dtype}${coordinatesText(expr.coordinates)}`
    case 'op': {
      const { op, attrs, args, dtype } = expr
      return `op ${op} ${dtype} ${args.join()} ${attrsJson(attrs)}`
    }
    case 'constant':
      return `constant ${exactNumber(expr.value)} ${expr.dtype}`
    case 'index':
      return `index ${linearText(expr.of)}`
    case 'inside':
      return `inside${coordinatesText(expr.coordinates)}`
    case 'random':
      return `random ${JSON.stringify(expr.stream)} ${linearText(expr.index)}`
    case 'accumulated':
      return `accumulated ${expr.accumulator} ${expr.dtype}`
  }
}

const linearText = ({ offset, terms, divisor }: Linear): string => {
  let text = `${offset}`
  for (const { axis, stride } of terms) text += ` ${axis}*${stride}`
  return `(${text})/${divisor}`
}

const coordinatesText = (coordinates: readonly Coordinate[]): string => {
  let text = ''
  for (const { at, size } of coordinates)
    text += ` ${at.kind === 'linear' ? linearText(at) : `[${at.expr}]`} of ${size}`
  return text
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
