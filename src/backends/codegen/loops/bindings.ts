/** Where a point of a phase is while its loops run: each axis follows from the counter of a loop, or stands still. */
import type { Coordinate, Linear } from '../kernel/kernel.ts'
import type { Affine, IndexOp, LoopExpr } from './loops.ts'

export const int = (value: number): LoopExpr => ({ kind: 'constant', value, dtype: 'int32' })

/** Constants are computed here. */
export const position = (op: IndexOp, a: LoopExpr, b: LoopExpr): LoopExpr => {
  if (a.kind !== 'constant' || b.kind !== 'constant') return { kind: 'position', op, args: [a, b] }
  return op === 'lt' || op === 'eq' || op === 'and'
    ? flag(tests[op](a.value, b.value))
    : int(sums[op](a.value, b.value))
}

export const flag = (value: boolean): LoopExpr => ({ kind: 'constant', value: value ? 1 : 0, dtype: 'bool' })

const sums = {
  add: (a: number, b: number) => a + b,
  mul: (a: number, b: number) => a * b,
  div: (a: number, b: number) => Math.trunc(a / b),
  rem: (a: number, b: number) => a % b,
  min: Math.min,
  max: Math.max,
}
const tests = {
  lt: (a: number, b: number) => a < b,
  eq: (a: number, b: number) => a === b,
  and: (a: number, b: number) => a !== 0 && b !== 0,
}

/** A number of a loop's counters, or a constant. */
export const asExpr = (x: Affine): LoopExpr => (x.terms.length === 0 ? int(x.offset) : x)

/** A point of a tile, by its distance from the tile's first point. */
export interface Point {
  readonly row: number
  readonly column: number
}

export const firstPoint: Point = { row: 0, column: 0 }

/** counter * scale + offset; without a loop, offset. */
interface Binding {
  readonly loop: number | null
  readonly scale: number
  readonly offset: number
}

export class AxisBindings {
  readonly #rowAxis: number | null
  readonly #columnAxis: number | null
  #bindings: Binding[] = []
  /** By loop: counters are below. */
  #counts: number[] = []
  /** Coordinates that are inside where statements are added now. */
  #facts: ReadonlySet<string> = new Set()

  constructor(rowAxis: number | null, columnAxis: number | null) {
    this.#rowAxis = rowAxis
    this.#columnAxis = columnAxis
  }

  /** The same bindings, with the columns of tiles on another axis. */
  withColumns(axis: number): AxisBindings {
    const view = new AxisBindings(this.#rowAxis, axis)
    view.#bindings = this.#bindings
    view.#counts = this.#counts
    return view
  }

  get loopCount(): number {
    return this.#counts.length
  }

  fix(axis: number, at: number): void {
    this.#bindings[axis] = { loop: null, scale: 0, offset: at }
  }

  /** A new loop whose counter, below `count`, gives the axis. */
  follow(axis: number, count: number, scale = 1, offset = 0): number {
    const loop = this.#counts.push(count) - 1
    this.#bindings[axis] = { loop, scale, offset }
    return loop
  }

  /** The dividend of a linear number. */
  affine({ offset, terms }: Pick<Linear, 'offset' | 'terms'>, { row, column }: Point): Affine {
    const moving: { readonly loop: number; readonly stride: number }[] = []
    let fixed = offset
    let isSorted = true
    for (const { axis, stride } of terms) {
      const binding = this.#bindings[axis] as Binding // of an enclosing loop
      fixed += stride * binding.offset
      if (axis === this.#rowAxis) fixed += stride * row
      if (axis === this.#columnAxis) fixed += stride * column
      if (binding.loop === null || stride * binding.scale === 0) continue
      isSorted &&= moving.length === 0 || (moving[moving.length - 1] as (typeof moving)[number]).loop < binding.loop
      moving.push({ loop: binding.loop, stride: stride * binding.scale }) // each axis has a loop of its own
    }
    return { kind: 'affine', offset: fixed, terms: isSorted ? moving : moving.sort((a, b) => a.loop - b.loop) }
  }

  /** The least and the largest value over all counters. */
  range({ offset, terms }: Affine): readonly [number, number] {
    let [least, largest] = [offset, offset]
    for (const { loop, stride } of terms) {
      const reach = stride * ((this.#counts[loop] as number) - 1)
      least += Math.min(reach, 0)
      largest += Math.max(reach, 0)
    }
    return [least, largest]
  }

  /** Is the coordinate inside at the point, whatever the counters are? */
  statusOf({ at, size }: Coordinate, point: Point): 'inside' | 'outside' | 'unknown' {
    if (at.kind === 'computed') return 'inside' // it is moved inside
    const x = this.affine(at, point)
    if (this.#facts.size > 0 && this.#facts.has(factOf(x, at.divisor, size))) return 'inside'
    const [least, largest] = this.range(x)
    if (largest < 0 || least > (size - 1) * at.divisor) return 'outside'
    if (x.terms.some(({ stride }) => stride % at.divisor !== 0)) return 'unknown'
    if (x.offset % at.divisor !== 0) return 'outside'
    return least >= 0 && largest <= (size - 1) * at.divisor ? 'inside' : 'unknown'
  }

  /** Runs `add`; in it the coordinates are known to be inside at the points. */
  assuming(coordinates: readonly Coordinate[], points: readonly Point[], add: () => void): void {
    const before = this.#facts
    const facts = coordinates.flatMap(({ at, size }) =>
      at.kind === 'computed' ? [] : points.map((point) => factOf(this.affine(at, point), at.divisor, size)),
    )
    this.#facts = new Set([...before, ...facts])
    add()
    this.#facts = before
  }
}

const factOf = (x: Affine, divisor: number, size: number): string => `${keyOfAffine(x)} / ${divisor} in ${size}`

export const keyOfAffine = ({ offset, terms }: Affine): string => {
  let text = `${offset}`
  for (const { loop, stride } of terms) text += ` ${loop}*${stride}`
  return text
}
