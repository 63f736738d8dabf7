/** Lowers the accumulators of a phase to loops over the reduced axes. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import { type DType, isFloat } from '../../../ir/types.ts'
import { type Accumulator, type Coordinate, type Expr, identityOf, type Linear, type Phase } from '../kernel/kernel.ts'
import { isTaken } from './arg-max.ts'
import { type AxisBindings, asExpr, firstPoint, int, keyOfAffine, type Point, position } from './bindings.ts'
import { beginBlock, type BlockSum, endBlock, endOfSum, inBlocks, isBlockSum, makeBlockSum } from './block-sums.ts'
import type { LoopBuilder } from './builder.ts'
import { countersInside } from './clipping.ts'
import { conditionsOf, guardedWith, movesWith } from './guards.ts'
import type { Lanes, LoopExpr } from './loops.ts'
import { placeOnRows } from './place-on-rows.ts'
import type { Schedule } from './schedule.ts'
import { converted, type Values } from './values.ts'

/** Edge tiles unroll windows of up to this many taps, since it is known which taps are in bounds. */
const edgeTapsMax = 16

/** What the loops of one accumulator need at a set of points. */
interface Reduction {
  readonly axes: readonly number[]
  readonly points: readonly Point[]
  readonly coordinates: readonly Coordinate[]
  readonly flags: readonly number[]
  /** The position that a load in the terms reads, which determines the order of unrolled terms; null: axis order. */
  readonly orderedBy: Linear | null
  /** Adds the term of a point. */
  readonly take: (point: Point) => void
  /** For block sums: surrounds the terms of one block; null for other reductions. */
  readonly block: ((add: () => void) => void) | null
}

export class Reductions {
  readonly #phase: Phase
  readonly #schedule: Schedule
  readonly #builder: LoopBuilder
  readonly #bindings: AxisBindings
  readonly #values: Values
  readonly #guardedWithRow: ReadonlySet<number>
  /** Is the position of the tile on the row axis constant? */
  isFixed = false

  constructor(
    phase: Phase,
    schedule: Schedule,
    parts: { readonly builder: LoopBuilder; readonly bindings: AxisBindings; readonly values: Values },
  ) {
    this.#phase = phase
    this.#schedule = schedule
    this.#builder = parts.builder
    this.#bindings = parts.bindings
    this.#values = parts.values
    this.#guardedWithRow = schedule.rowAxis === null ? new Set() : guardedWith(phase, schedule.rowAxis)
  }

  /** Computes an accumulated expression at these points. */
  accumulate(expr: number, points: readonly Point[]): void {
    const { accumulator: at } = this.#phase.exprs[expr] as Extract<Expr, { kind: 'accumulated' }> // the caller passes accumulated expressions only
    const accumulator = this.#phase.accumulators[at] as Accumulator // verified
    const distinct = this.#values.distinct(expr, points)
    if (accumulator.monoid === 'argmax')
      for (const point of distinct) this.#values.learn(expr, point, this.#winner(accumulator, point))
    else this.#combine(expr, accumulator, accumulator.monoid, distinct)
  }

  #combine(expr: number, accumulator: Accumulator, monoid: keyof typeof combining, points: readonly Point[]): void {
    const { axes, factors, guard, dtype } = accumulator
    const lanes = this.#values.lanesOf(expr)
    const wide = isFloat(dtype) ? 'float32' : dtype
    const op = operation(wide, lanes)
    const termOf = (point: Point): LoopExpr =>
      factors.map((factor) => this.#values.valueIn(lanes, factor, point, wide)).reduce((a, b) => op('mul', a, b))
    const learn = (point: Point, value: LoopExpr): void =>
      this.#values.learn(expr, point, converted(value, { from: wide, to: dtype, lanes }))
    const walk = {
      axes,
      points,
      ...conditionsOf(this.#phase, guard),
      orderedBy: points.length === 1 ? null : placeOnRows(factors, this.#phase, this.#schedule.rowAxis),
    }
    if (this.#isInBlocks(accumulator)) {
      const sums = new Map(points.map((point) => [point, makeBlockSum(this.#builder, lanes)]))
      this.#run({
        ...walk,
        take: (point) => {
          const { part } = sums.get(point) as BlockSum // one for each point
          const value = op('add', { kind: 'register', register: part }, termOf(point))
          this.#builder.add({ kind: 'set', register: part, value })
        },
        block: (add) => {
          for (const sum of sums.values()) beginBlock(this.#builder, sum, lanes)
          add()
          for (const sum of sums.values()) endBlock(this.#builder, sum, lanes)
        },
      })
      for (const [point, sum] of sums) learn(point, endOfSum(sum, lanes))
      return
    }
    const start: LoopExpr = { kind: 'constant', value: identityOf(monoid, wide), dtype: wide }
    const totals = new Map(
      points.map((point) => [
        point,
        this.#builder.variable(lanes === 1 ? start : { kind: 'splat', of: start }, { dtype: wide, lanes }),
      ]),
    )
    this.#run({
      ...walk,
      take: (point) => {
        const register = totals.get(point) as number // set for each point above
        const value = op(combining[monoid], { kind: 'register', register }, termOf(point))
        this.#builder.add({ kind: 'set', register, value })
      },
      block: null,
    })
    for (const [point, register] of totals) learn(point, { kind: 'register', register })
  }

  /** A fully unrolled sum has few terms and is not a block sum. */
  #isInBlocks(accumulator: Accumulator): boolean {
    return (
      this.#schedule.block > 0 && isBlockSum(accumulator) && accumulator.axes.some((axis) => !this.#isUnrolled(axis))
    )
  }

  /** The index of the largest term; -1 if no term counts. */
  #winner({ axes, factors, guard }: Accumulator, point: Point): LoopExpr {
    const [factor] = factors as readonly [number] // an argmax has one factor
    const dtype = this.#values.dtypeOf(factor)
    const best = this.#builder.variable({ kind: 'constant', value: 0, dtype }, { dtype, lanes: 1 })
    const winner = this.#builder.variable(int(-1), { dtype: 'int32', lanes: 1 })
    const strides = stridesOf(axes.map((axis) => this.#phase.axes[axis] as number))
    const numberOfTerm = { offset: 0, terms: axes.map((axis, i) => ({ axis, stride: strides[i] as number })) }
    this.#run({
      axes,
      points: [point],
      ...conditionsOf(this.#phase, guard),
      orderedBy: null,
      block: null,
      take: () => {
        const term = this.#values.value(factor, point)
        const body = [
          { kind: 'set', register: best, value: term },
          { kind: 'set', register: winner, value: asExpr(this.#bindings.affine(numberOfTerm, firstPoint)) },
        ] as const
        this.#builder.add({ kind: 'if', condition: isTaken(term, best, winner), body, otherwise: [] })
      },
    })
    return { kind: 'register', register: winner }
  }

  #run(reduction: Reduction): void {
    this.#values.scoped(() => this.#over(reduction, 0))
  }

  /** Adds loops over the axes from this one on. The axes before it are bound. */
  #over(reduction: Reduction, depth: number): void {
    const { axes, points, coordinates } = reduction
    const later = axes.slice(depth)
    const shared = coordinates.filter(
      (coordinate) =>
        !later.some((axis) => movesWith(coordinate, axis)) &&
        this.#bindings.statusOf(coordinate, points[0] as Point) === 'unknown' &&
        this.#isShared(coordinate, points),
    )
    if (shared.length > 0) {
      const condition = this.#values.inside(shared, points[0] as Point)
      const body = this.#values.block(() => this.#bindings.assuming(shared, points, () => this.#over(reduction, depth)))
      this.#builder.add({ kind: 'if', condition, body, otherwise: [] })
      return
    }
    const [axis, ...rest] = later
    if (later.every((each) => this.#isUnrolled(each))) this.#unrolled(reduction, later)
    else if (axis !== undefined && this.#isUnrolled(axis))
      for (let at = 0; at < (this.#phase.axes[axis] as number); at++) {
        this.#bindings.fix(axis, at)
        this.#values.scoped(() => this.#over(reduction, depth + 1))
      }
    else if (axis !== undefined) this.#loop(reduction, depth, axis, rest)
  }

  #isUnrolled(axis: number): boolean {
    if (this.#schedule.unrolled.includes(axis)) return true
    return this.isFixed && this.#guardedWithRow.has(axis) && (this.#phase.axes[axis] as number) <= edgeTapsMax
  }

  #isShared({ at }: Coordinate, points: readonly Point[]): boolean {
    return (
      at.kind === 'linear' && new Set(points.map((point) => keyOfAffine(this.#bindings.affine(at, point)))).size <= 1
    )
  }

  /** Adds a loop over the axis. Coordinates that depend on no later axis limit its range, so that its body need not check them. */
  #loop(reduction: Reduction, depth: number, axis: number, later: readonly number[]): void {
    const { points, coordinates } = reduction
    const size = this.#phase.axes[axis] as number
    const clipping: Coordinate[] = []
    const [firsts, ends, loops]: [LoopExpr[], LoopExpr[], number[]] = [[], [], []]
    for (const coordinate of coordinates) {
      const { at } = coordinate
      if (at.kind !== 'linear' || at.divisor !== 1 || !movesWith(coordinate, axis)) continue
      if (later.some((each) => movesWith(coordinate, each))) continue
      this.#bindings.fix(axis, 0)
      if (!this.#isShared(coordinate, points)) continue
      const stride = at.terms.find((term) => term.axis === axis)?.stride ?? 0
      const bounds = countersInside(
        this.#bindings.affine(at, points[0] as Point),
        stride,
        { size: coordinate.size, count: size },
        this.#bindings,
      )
      clipping.push(coordinate)
      firsts.push(bounds.first)
      ends.push(bounds.end)
      loops.push(...bounds.loops)
    }
    const latest = firsts.reduce((a, b) => position('max', a, b), int(0))
    const earliest = ends.reduce((a, b) => position('min', a, b), int(size))
    const [first, end] = [this.#builder.hoisted(latest, loops), this.#builder.hoisted(earliest, loops)]
    const add = (from: LoopExpr, to: LoopExpr): void => {
      const loop = this.#bindings.follow(axis, size)
      this.#builder.loop(loop, from, to, () =>
        this.#values.scoped(() => this.#bindings.assuming(clipping, points, () => this.#over(reduction, depth + 1))),
      )
    }
    const isInnermost = later.every((each) => this.#isUnrolled(each))
    if (reduction.block === null || !isInnermost) add(first, end)
    else {
      const parts = { builder: this.#builder, bindings: this.#bindings, block: reduction.block }
      inBlocks({ first, end, size, loops, terms: this.#schedule.block }, parts, add)
    }
  }

  /** Unrolls the terms of these axes for all points. Terms that read the same element are adjacent. */
  #unrolled(reduction: Reduction, axes: readonly number[]): void {
    const { points, orderedBy } = reduction
    const terms: { readonly taps: readonly number[]; readonly point: Point; readonly place: number }[] = []
    const visit = (taps: readonly number[]): void => {
      const axis = axes[taps.length]
      if (axis === undefined) {
        for (const point of points) {
          const place = orderedBy === null ? 0 : this.#bindings.affine(orderedBy, point).offset
          terms.push({ taps, point, place })
        }
        return
      }
      for (let at = 0; at < (this.#phase.axes[axis] as number); at++) {
        this.#bindings.fix(axis, at)
        visit([...taps, at])
      }
    }
    visit([])
    for (const { taps, point } of terms.sort((a, b) => a.place - b.place)) {
      axes.forEach((axis, i) => {
        this.#bindings.fix(axis, taps[i] as number)
      })
      if (axes.length === 0) this.#term(reduction, point)
      else this.#values.scoped(() => this.#term(reduction, point))
    }
  }

  #term({ coordinates, flags, take }: Reduction, point: Point): void {
    const inside = this.#values.inside(coordinates, point)
    if (inside.kind === 'constant' && inside.value === 0) return
    const conditions = [
      ...(inside.kind === 'constant' ? [] : [inside]),
      ...flags.map((each) => this.#values.value(each, point)),
    ]
    if (conditions.length === 0) {
      take(point)
      return
    }
    const open = coordinates.filter((coordinate) => this.#bindings.statusOf(coordinate, point) !== 'inside')
    const condition = conditions.reduce((a, b) => position('and', a, b))
    const body = this.#values.block(() => this.#bindings.assuming(open, [point], () => take(point)))
    this.#builder.add({ kind: 'if', condition, body, otherwise: [] })
  }
}

const combining = {
  sum: 'add',
  product: 'mul',
  max: 'maximum',
  min: 'minimum',
  and: 'and',
  or: 'or',
} as const

const operation =
  (dtype: DType, lanes: Lanes) =>
  (op: 'mul' | (typeof combining)[keyof typeof combining], a: LoopExpr, b: LoopExpr): LoopExpr => ({
    kind: 'op',
    op,
    attrs: {},
    args: [a, b],
    dtype,
    lanes,
  })
