/** Maps the axes of a phase to loop counters while its loops are built. An axis depends on one loop, or is constant. */
import type { Coordinate, Linear } from '../kernel/kernel.ts'
import type { Affine, IndexOp, LoopExpr } from './loops.ts'

export const int = (value: number): LoopExpr => ({ kind: 'constant', value, dtype: 'int32' })

/** Arithmetic on positions, with constant folding. */
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

/** An affine function of loop counters; a plain constant if it has no terms. */
export const asExpr = (x: Affine): LoopExpr => (x.terms.length === 0 ? int(x.offset) : x)

/** A point of a tile, relative to the tile's first point. */
export interface Point {
  readonly row: number
  readonly column: number
}

export const firstPoint: Point = { row: 0, column: 0 }

/** The value of an axis: counter * scale + offset. Without a loop it is the offset. */
interface Binding {
  readonly loop: number | null
  readonly scale: number
  readonly offset: number
}

export class AxisBindings {
  readonly #rowAxis: number | null
  readonly #columnAxis: number | null
  #bindings: Binding[] = []
  /** The trip counts of loops: each counter is below its count. */
  #counts: number[] = []
  /** The coordinates that are known to be in bounds at the current place. */
  #facts: ReadonlySet<string> = new Set()

  constructor(rowAxis: number | null, columnAxis: number | null) {
    this.#rowAxis = rowAxis
    this.#columnAxis = columnAxis
  }

  /** The same bindings, but the columns of tiles belong to another axis. */
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

  /** Binds the axis to a new loop with this trip count. */
  follow(axis: number, count: number, scale = 1, offset = 0): number {
    const loop = this.loop(count)
    this.#bindings[axis] = { loop, scale, offset }
    return loop
  }

  /** A new loop that is bound to no axis. Its counter is below `count`. */
  loop(count: number): number {
    return this.#counts.push(count) - 1
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
      moving.push({ loop: binding.loop, stride: stride * binding.scale }) // each axis has its own loop
    }
    return { kind: 'affine', offset: fixed, terms: isSorted ? moving : moving.sort((a, b) => a.loop - b.loop) }
  }

  /** The smallest and the largest value over all counter values. */
  range({ offset, terms }: Affine): readonly [number, number] {
    let [least, largest] = [offset, offset]
    for (const { loop, stride } of terms) {
      const reach = stride * ((this.#counts[loop] as number) - 1)
      least += Math.min(reach, 0)
      largest += Math.max(reach, 0)
    }
    return [least, largest]
  }

  /** Is the coordinate in bounds at the point, for all counter values? */
  statusOf({ at, size }: Coordinate, point: Point): 'inside' | 'outside' | 'unknown' {
    if (at.kind === 'computed') return 'inside' // it is clamped
    const x = this.affine(at, point)
    const status = this.#statusByRange(x, at.divisor, size)
    if (status === 'inside' || this.#facts.size === 0) return status
    return this.#facts.has(factOf(x, at.divisor, size)) ? 'inside' : status
  }

  #statusByRange(x: Affine, divisor: number, size: number): 'inside' | 'outside' | 'unknown' {
    const [least, largest] = this.range(x)
    if (largest < 0 || least > (size - 1) * divisor) return 'outside'
    if (divisor !== 1) {
      if (x.terms.some(({ stride }) => stride % divisor !== 0)) return 'unknown'
      if (x.offset % divisor !== 0) return 'outside'
    }
    return least >= 0 && largest <= (size - 1) * divisor ? 'inside' : 'unknown'
  }

  /** Runs `add`. While it runs, the coordinates are known to be in bounds at these points. */
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
