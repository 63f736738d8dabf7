/** Adds statements that compute the expressions of a phase at the points of a tile. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import type { DType } from '../../../ir/types.ts'
import type { Coordinate, Expr, Linear, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside, rangeOf, rowMajor } from '../kernel/linear.ts'
import { type AxisBindings, asExpr, flag, int, type Point, position } from './bindings.ts'
import type { LoopBuilder } from './builder.ts'
import { type Lanes, type LoopExpr, scratch } from './loops.ts'
import { dependents, type Schedule } from './schedule.ts'
import { type Staged, stagedPlace } from './staging.ts'
import { isLaneByLane } from './vectors.ts'

type Load = Extract<Expr, { kind: 'load' }>

/** A value that became known, and the value that was known before. */
interface Learned {
  readonly key: number
  readonly before: LoopExpr | undefined
}

/** The number of rows and of columns of a tile is below this. */
const pointsMax = 2 ** 14

export class Values {
  readonly #phase: Phase
  readonly #builder: LoopBuilder
  readonly #bindings: AxisBindings
  readonly #onRow: ReadonlySet<number>
  readonly #onColumn: ReadonlySet<number>
  /** By list of coordinates: those that can be out of bounds, and the row-major position. */
  readonly #open = new Map<readonly Coordinate[], readonly Coordinate[]>()
  readonly #linear = new Map<readonly Coordinate[], Linear | null>()
  readonly #staged: ReadonlyMap<number, Staged>
  /** Computes an accumulated expression, so that its value is known. */
  readonly #accumulate: (expr: number) => void
  /** By expression, and by the part of the point that it depends on. */
  readonly #known = new Map<number, LoopExpr>()
  /** The values that became known in the open scopes. */
  readonly #learned: Learned[] = []
  readonly #laneByLane = new Map<number, boolean>()
  lanes: Lanes = 1
  /** Is a single lane of a vector being computed? */
  #isLane = false
  readonly #vectorAxis: number | null

  constructor(
    phase: Phase,
    { rowAxis, vectorAxis }: Schedule,
    { builder, bindings }: { readonly builder: LoopBuilder; readonly bindings: AxisBindings },
    accumulate: (expr: number) => void,
    staged: readonly Staged[] = [],
  ) {
    this.#staged = new Map(staged.map((factor) => [factor.expr, factor]))
    this.#phase = phase
    this.#builder = builder
    this.#bindings = bindings
    this.#accumulate = accumulate
    this.#vectorAxis = vectorAxis
    this.#onRow = rowAxis === null ? new Set() : dependents(phase, rowAxis)
    this.#onColumn = vectorAxis === null ? new Set() : dependents(phase, vectorAxis)
  }

  /** Runs `add`. Values that become known in it are forgotten afterwards. */
  scoped(add: () => void): void {
    const { length } = this.#learned
    add()
    while (this.#learned.length > length) {
      const { key, before } = this.#learned.pop() as Learned // the list is longer
      if (before === undefined) this.#known.delete(key)
      else this.#known.set(key, before)
    }
  }

  /** Collects statements in a block of their own. */
  block(add: () => void): ReturnType<LoopBuilder['block']> {
    return this.#builder.block(() => this.scoped(add))
  }

  learn(expr: number, point: Point, value: LoopExpr): void {
    this.#learn(this.#keyOf(expr, point), value)
  }

  #learn(key: number, value: LoopExpr): void {
    this.#learned.push({ key, before: this.#known.get(key) })
    this.#known.set(key, value)
  }

  /** Keeps one point for each separate value of the expression. */
  distinct(expr: number, points: readonly Point[]): readonly Point[] {
    const first = new Map<number, Point>()
    for (const point of points) {
      const key = this.#keyOf(expr, point)
      if (!first.has(key)) first.set(key, point)
    }
    return [...first.values()]
  }

  /** The lanes of the expression: those of the tile if it depends on the vector axis, otherwise 1. */
  lanesOf(expr: number): Lanes {
    return this.#onColumn.has(expr) ? this.lanes : 1
  }

  dtypeOf(expr: number): DType {
    return (this.#phase.exprs[expr] as Expr).dtype // verified
  }

  /** The value with this number of lanes. */
  valueIn(lanes: Lanes, at: number, point: Point, dtype: DType = this.dtypeOf(at)): LoopExpr {
    if (lanes === this.lanesOf(at))
      return converted(this.value(at, point), { from: this.dtypeOf(at), to: dtype, lanes })
    const expr = this.#phase.exprs[at] as Expr // verified
    // A loaded number that only fills a vector needs no register.
    const isLoaded = expr.kind === 'load' || this.#staged.has(at)
    const value =
      isLoaded && expr.kind !== 'accumulated' && dtype === expr.dtype && !this.#known.has(this.#keyOf(at, point))
        ? this.#computed(at, expr, point)
        : converted(this.value(at, point), { from: expr.dtype, to: dtype, lanes: 1 })
    return this.#builder.kept({ kind: 'splat', of: value }, { dtype, lanes })
  }

  /** The value of an expression at a point, as a register or a constant. */
  value(at: number, point: Point): LoopExpr {
    const key = this.#keyOf(at, point)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const expr = this.#phase.exprs[at] as Expr // verified
    if (expr.kind === 'accumulated') this.#accumulate(at)
    else {
      const made = this.#computed(at, expr, point)
      this.#learn(key, this.#builder.kept(made, { dtype: expr.dtype, lanes: this.lanesOf(at) }))
    }
    return this.#known.get(key) as LoopExpr // set above, or by #accumulate
  }

  /** True if all coordinates are in bounds. */
  inside(coordinates: readonly Coordinate[], point: Point): LoopExpr {
    let all: LoopExpr = flag(true)
    for (const coordinate of coordinates) {
      const { at, size } = coordinate
      const status = this.#bindings.statusOf(coordinate, point)
      if (status === 'outside') return flag(false)
      if (status === 'inside' || at.kind === 'computed') continue
      const value = this.#roundedDown(at, point)
      const within = position('and', position('lt', int(-1), value), position('lt', value, int(size)))
      const dividend = { ...at, offset: at.offset + this.#lift(at) * at.divisor }
      const remainder = position('rem', asExpr(this.#bindings.affine(dividend, point)), int(at.divisor))
      const exact = at.divisor === 1 ? within : position('and', within, position('eq', remainder, int(0)))
      all = all.kind === 'constant' ? exact : position('and', all, exact)
    }
    return all
  }

  /** The row-major position of an element. Its coordinates are in bounds. */
  place(coordinates: readonly Coordinate[], point: Point): LoopExpr {
    const linear = this.#linearPlace(coordinates)
    if (linear !== null) return asExpr(this.#bindings.affine(linear, point))
    const strides = stridesOf(coordinates.map(({ size }) => size))
    const terms: Linear['terms'][number][] = []
    let offset = 0
    const others: LoopExpr[] = []
    coordinates.forEach(({ at, size }, i) => {
      const stride = strides[i] as number
      if (at.kind === 'linear' && at.divisor === 1) {
        offset += at.offset * stride
        terms.push(...at.terms.map((term) => ({ axis: term.axis, stride: term.stride * stride })))
        return
      }
      const value = at.kind === 'linear' ? this.#roundedDown(at, point) : moved(this.value(at.expr, point), size)
      others.push(stride === 1 ? value : position('mul', value, int(stride)))
    })
    const start = asExpr(this.#bindings.affine({ offset, terms }, point))
    return others.reduce((sum, part) => position('add', sum, part), start)
  }

  /** The row-major position of an element, if no coordinate is a quotient or computed, else null. */
  #linearPlace(coordinates: readonly Coordinate[]): Linear | null {
    const known = this.#linear.get(coordinates)
    if (known !== undefined) return known
    const linear = rowMajor(coordinates)
    this.#linear.set(coordinates, linear)
    return linear
  }

  /** The coordinates that are out of bounds somewhere in the phase. */
  #openOf(coordinates: readonly Coordinate[]): readonly Coordinate[] {
    const known = this.#open.get(coordinates)
    if (known !== undefined) return known
    const open = coordinates.filter((coordinate) => !isAlwaysInside(coordinate, this.#phase.axes))
    this.#open.set(coordinates, open)
    return open
  }

  #keyOf(expr: number, { row, column }: Point): number {
    const onRow = this.#onRow.has(expr) ? row : 0
    const onColumn = this.#onColumn.has(expr) ? 2 * column + (this.#isLane ? 1 : 0) : 0
    return (expr * pointsMax + onRow) * 2 * pointsMax + onColumn
  }

  #computed(at: number, expr: Exclude<Expr, { kind: 'accumulated' }>, point: Point): LoopExpr {
    const lanes = this.lanesOf(at)
    const staged = this.#staged.get(at)
    if (staged !== undefined)
      return { kind: 'load', buffer: scratch, at: stagedPlace(this.#phase, staged, point, this.#bindings), lanes }
    if (lanes === 4 && this.#isLaneByLane(at, expr)) return this.#laneByLaneAt(at, point)
    switch (expr.kind) {
      case 'constant':
        return { kind: 'constant', value: expr.value, dtype: expr.dtype }
      case 'index':
        return lanes === 1 ? this.#roundedDown(expr.of, point) : this.#ramp(expr.of, point)
      case 'inside':
        return this.inside(expr.coordinates, point)
      case 'random':
        return { kind: 'random', stream: expr.stream, at: asExpr(this.#bindings.affine(expr.index, point)), lanes }
      case 'op': {
        const [first, second, third] = expr.args as readonly [number, number, number] // a select has three arguments
        if (expr.op === 'select' && this.lanesOf(first) === 1) {
          const condition = this.value(first, point)
          if (condition.kind === 'constant') return this.valueIn(lanes, condition.value === 0 ? third : second, point)
        }
        const args = expr.args.map((arg) => this.valueIn(lanes, arg, point))
        return { kind: 'op', op: expr.op, attrs: expr.attrs, args, dtype: expr.dtype, lanes }
      }
      case 'load':
        return this.#load(expr, point, lanes)
    }
  }

  #isLaneByLane(at: number, expr: Expr): boolean {
    const axis = this.#vectorAxis
    if (axis === null) return false
    const found = this.#laneByLane.get(at) ?? isLaneByLane(expr, this.#phase, { axis, depends: this.#onColumn })
    this.#laneByLane.set(at, found)
    return found
  }

  /** A vector of the values at four adjacent points, computed one by one. */
  #laneByLaneAt(at: number, { row, column }: Point): LoopExpr {
    this.lanes = 1
    this.#isLane = true
    const numbers = [0, 1, 2, 3].map((lane) => this.value(at, { row, column: column + lane }))
    this.lanes = 4
    this.#isLane = false
    return { kind: 'lanes', of: numbers }
  }

  /** A vector with the linear number at four adjacent points of the vector axis. */
  #ramp(x: Linear, point: Point): LoopExpr {
    const step = x.terms.find(({ axis }) => axis === this.#vectorAxis)?.stride ?? 0
    const type = { dtype: 'int32', lanes: 4 } as const
    const start = this.#builder.kept({ kind: 'splat', of: asExpr(this.#bindings.affine(x, point)) }, type)
    const steps = this.#builder.kept({ kind: 'lanes', of: [0, 1, 2, 3].map((lane) => int(lane * step)) }, type)
    return { kind: 'op', op: 'add', attrs: {}, args: [start, steps], ...type }
  }

  /** A load that may be out of bounds is executed only where it is in bounds. */
  #load({ buffer, coordinates, fill, dtype }: Load, point: Point, lanes: Lanes): LoopExpr {
    const open = this.#openOf(coordinates).filter((each) => this.#bindings.statusOf(each, point) !== 'inside')
    if (open.length === 0) return { kind: 'load', buffer, at: this.place(coordinates, point), lanes }
    const filled: LoopExpr = { kind: 'constant', value: fill, dtype }
    const otherwise: LoopExpr = lanes === 1 ? filled : { kind: 'splat', of: filled }
    const condition = this.inside(open, point)
    if (condition.kind === 'constant') return otherwise
    const register = this.#builder.register({ dtype, lanes })
    const body = this.block(() => {
      const value: LoopExpr = { kind: 'load', buffer, at: this.place(coordinates, point), lanes }
      this.#builder.add({ kind: 'set', register, value })
    })
    this.#builder.add({ kind: 'if', condition, body, otherwise: [{ kind: 'set', register, value: otherwise }] })
    return { kind: 'register', register }
  }

  /** A quotient, rounded down. A multiple of the divisor makes the dividend nonnegative; it is subtracted afterwards. */
  #roundedDown(x: Linear, point: Point): LoopExpr {
    if (x.divisor === 1) return asExpr(this.#bindings.affine(x, point))
    const lift = this.#lift(x)
    const dividend = this.#bindings.affine({ ...x, offset: x.offset + lift * x.divisor }, point)
    const quotient = position('div', asExpr(dividend), int(x.divisor))
    return lift === 0 ? quotient : position('add', quotient, int(-lift))
  }

  /** The multiple of the divisor that makes the dividend nonnegative everywhere. */
  #lift(x: Linear): number {
    const [least] = rangeOf(x, this.#phase.axes)
    return Math.max(0, Math.ceil(-least))
  }
}

/** The index clamped to the bounds. */
const moved = (index: LoopExpr, size: number): LoopExpr =>
  position('min', position('max', index, int(0)), int(size - 1))

export const converted = (
  value: LoopExpr,
  { from, to, lanes }: { readonly from: DType; readonly to: DType; readonly lanes: Lanes },
): LoopExpr =>
  from === to ? value : { kind: 'op', op: 'cast', attrs: { to, relaxed: false }, args: [value], dtype: to, lanes }
