/** From a phase and a schedule to loops. Accumulators run one after another, each for all points of a tile. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import { type DType, isFloat } from '../../../ir/types.ts'
import { type Accumulator, type Coordinate, type Expr, identityOf, type Linear, type Phase } from '../kernel/kernel.ts'
import { isAlwaysInside, rangeOf } from '../kernel/linear.ts'
import type { IndexOp, Lanes, LoopExpr, Loops, Register, Statement } from './loops.ts'
import { dependents, plainSchedule, type Schedule } from './schedule.ts'

/** The schedule must be legal (schedule.ts). */
export const loopsOf = (phase: Phase, schedule: Schedule = plainSchedule): Loops =>
  new LoopLowering(phase, schedule).lower()

const int = (value: number): LoopExpr => ({ kind: 'constant', value, dtype: 'int32' })
const truth: LoopExpr = { kind: 'constant', value: 1, dtype: 'bool' }
const position = (op: IndexOp, a: LoopExpr, b: LoopExpr): LoopExpr => ({ kind: 'position', op, args: [a, b] })

/** A point of the tile: its row, and its vector. */
interface Point {
  readonly row: number
  readonly vector: number
}

/** How an axis follows from a counter: counter * scale + offset. */
interface Binding {
  readonly loop: number | null
  readonly scale: number
  readonly offset: number
}

class LoopLowering {
  readonly #phase: Phase
  readonly #schedule: Schedule
  readonly #registers: Register[] = []
  readonly #bindings: Binding[] = []
  readonly #onRow: ReadonlySet<number>
  readonly #onVector: ReadonlySet<number>
  #loopCount = 0
  #points: readonly Point[] = []
  #lanes: Lanes = 1
  /** Values by expression and by those parts of the point that they depend on. */
  #known = new Map<string, LoopExpr>()
  #body: Statement[] = []

  constructor(phase: Phase, schedule: Schedule) {
    this.#phase = phase
    this.#schedule = schedule
    const { rowAxis, vectorAxis } = schedule
    this.#onRow = rowAxis === null ? new Set() : dependents(phase, rowAxis)
    this.#onVector = vectorAxis === null ? new Set() : dependents(phase, vectorAxis)
  }

  lower(): Loops {
    const { parallel } = this.#phase
    const { rowAxis, vectorAxis } = this.#schedule
    const plain = Array.from({ length: parallel }, (_, axis) => axis).filter(
      (axis) => axis !== rowAxis && axis !== vectorAxis,
    )
    const body = this.#nested(plain, () => this.#rows())
    return { loopCount: this.#loopCount, registers: this.#registers, body }
  }

  /** Whole groups of rows, then the rest. */
  #rows(): readonly Statement[] {
    const { rowAxis, rows } = this.#schedule
    if (rowAxis === null) return this.#columns(1)
    const size = this.#phase.axes[rowAxis] as number
    return this.#split(rowAxis, [[rows, size]], (count) => this.#columns(count))
  }

  /** Whole groups of vectors, then single ones, then numbers. */
  #columns(rows: number): readonly Statement[] {
    const { vectorAxis, vectors } = this.#schedule
    if (vectorAxis === null) return this.#tile(rows, 1, 1)
    const size = this.#phase.axes[vectorAxis] as number
    const steps = [...(vectors > 1 ? [[4 * vectors, size] as const] : []), [4, size] as const, [1, size] as const]
    return this.#split(vectorAxis, steps, (count) =>
      count < 4 ? this.#tile(rows, 1, 1) : this.#tile(rows, count / 4, 4),
    )
  }

  /** Loops over an axis by steps of falling length; what is left after the last goes one by one. */
  #split(
    axis: number,
    steps: readonly (readonly [step: number, size: number])[],
    make: (step: number) => readonly Statement[],
  ): readonly Statement[] {
    let start = 0
    const parts: Statement[] = []
    const size = this.#phase.axes[axis] as number
    for (const [step] of steps) {
      const count = Math.floor((size - start) / step)
      if (count > 0) parts.push(...this.#loop(axis, count, step, start, () => make(step)))
      start += count * step
    }
    if (start < size) {
      this.#bindings[axis] = { loop: null, scale: 0, offset: start }
      parts.push(...make(size - start))
    }
    return parts
  }

  #loop(
    axis: number,
    count: number,
    scale: number,
    offset: number,
    make: () => readonly Statement[],
  ): readonly Statement[] {
    const loop = this.#loopCount++
    this.#bindings[axis] = { loop, scale, offset }
    return [{ kind: 'for', loop, count, body: make() }]
  }

  #nested(axes: readonly number[], make: () => readonly Statement[]): readonly Statement[] {
    const [first, ...rest] = axes
    return first === undefined
      ? make()
      : this.#loop(first, this.#phase.axes[first] as number, 1, 0, () => this.#nested(rest, make))
  }

  #tile(rows: number, vectors: number, lanes: Lanes): readonly Statement[] {
    this.#lanes = lanes
    this.#points = Array.from({ length: rows * vectors }, (_, i) => ({
      row: Math.floor(i / vectors),
      vector: i % vectors,
    }))
    return this.#block(() => {
      for (const { buffer, coordinates, value } of this.#phase.stores)
        for (const point of this.#points) {
          const stored = this.#valueIn(this.#lanes, value, point)
          this.#body.push({
            kind: 'store',
            buffer,
            at: this.#place(coordinates, point),
            value: stored,
            lanes: this.#lanes,
          })
        }
    })
  }

  /** The statements that `add` adds; what becomes known in them is forgotten after them. */
  #block(add: () => void): readonly Statement[] {
    const [body, known] = [this.#body, this.#known]
    this.#body = []
    this.#known = new Map(known)
    add()
    const made = this.#body
    this.#body = body
    this.#known = known
    return made
  }

  #keyOf(expr: number, { row, vector }: Point): string {
    return `${expr} ${this.#onRow.has(expr) ? row : ''} ${this.#onVector.has(expr) ? vector : ''}`
  }

  /** Lanes of the value of an expression: those of the tile where it depends on the vector's axis. */
  #lanesOf(expr: number): Lanes {
    return this.#onVector.has(expr) ? this.#lanes : 1
  }

  /** The value with so many lanes. */
  #valueIn(lanes: Lanes, at: number, point: Point, dtype: DType = this.#dtypeOf(at)): LoopExpr {
    const value = converted(this.#value(at, point), { from: this.#dtypeOf(at), to: dtype, lanes: this.#lanesOf(at) })
    if (lanes === this.#lanesOf(at)) return value
    const key = `splat ${dtype} ${this.#keyOf(at, point)}`
    const known = this.#known.get(key) ?? this.#kept({ kind: 'splat', of: value }, { dtype, lanes })
    this.#known.set(key, known)
    return known
  }

  /** The value of an expression of the kernel at a point, in a register. */
  #value(at: number, point: Point): LoopExpr {
    const key = this.#keyOf(at, point)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const expr = this.#phase.exprs[at] as Expr // verified
    if (expr.kind === 'accumulated') this.#accumulate(at, this.#phase.accumulators[expr.accumulator] as Accumulator)
    else {
      const made = this.#computed(at, expr, point)
      const isKept = made.kind !== 'constant' && made.kind !== 'register'
      this.#known.set(key, isKept ? this.#kept(made, { dtype: expr.dtype, lanes: this.#lanesOf(at) }) : made)
    }
    return this.#known.get(key) as LoopExpr // set above
  }

  #kept(value: LoopExpr, register: Register): LoopExpr {
    const kept = this.#newRegister(register)
    this.#body.push({ kind: 'set', register: kept, value })
    return { kind: 'register', register: kept }
  }

  #newRegister(register: Register): number {
    this.#registers.push(register)
    return this.#registers.length - 1
  }

  #computed(at: number, expr: Exclude<Expr, { kind: 'accumulated' }>, point: Point): LoopExpr {
    const lanes = this.#lanesOf(at)
    switch (expr.kind) {
      case 'constant':
        return { kind: 'constant', value: expr.value, dtype: expr.dtype }
      case 'index':
        return this.#roundedDown(expr.of, point)
      case 'inside':
        return this.#inside(expr.coordinates, point)
      case 'random':
        return { kind: 'random', stream: expr.stream, at: this.#linear(expr.index, point) }
      case 'op': {
        const args = expr.args.map((arg) => this.#valueIn(lanes, arg, point))
        return { kind: 'op', op: expr.op, attrs: expr.attrs, args, dtype: expr.dtype, lanes }
      }
      case 'load':
        return this.#load(expr, point, lanes)
    }
  }

  /** A load that may be outside is made only where it is inside. */
  #load({ buffer, coordinates, fill, dtype }: Extract<Expr, { kind: 'load' }>, point: Point, lanes: Lanes): LoopExpr {
    const open = coordinates.filter((coordinate) => !isAlwaysInside(coordinate, this.#phase.axes))
    if (open.length === 0) return { kind: 'load', buffer, at: this.#place(coordinates, point), lanes }
    const register = this.#newRegister({ dtype, lanes })
    const condition = this.#inside(open, point)
    const body = this.#block(() => {
      const value: LoopExpr = { kind: 'load', buffer, at: this.#place(coordinates, point), lanes }
      this.#body.push({ kind: 'set', register, value })
    })
    const filled: LoopExpr = { kind: 'constant', value: fill, dtype }
    const value: LoopExpr = lanes === 1 ? filled : { kind: 'splat', of: filled }
    this.#body.push({ kind: 'if', condition, body, otherwise: [{ kind: 'set', register, value }] })
    return { kind: 'register', register }
  }

  /** Points that differ in what the expression depends on, the first of each kind. */
  #distinct(expr: number): readonly Point[] {
    return [
      ...new Map([...this.#points].reverse().map((point) => [this.#keyOf(expr, point), point])).values(),
    ].reverse()
  }

  /** Makes the value of an accumulator known at all points of the tile. */
  #accumulate(expr: number, accumulator: Accumulator): void {
    const points = this.#distinct(expr)
    if (accumulator.monoid === 'argmax') {
      for (const point of points) this.#known.set(this.#keyOf(expr, point), this.#winner(accumulator, point))
      return
    }
    const { monoid, axes, factors, guard, dtype } = accumulator
    const lanes = this.#lanesOf(expr)
    const wide = isFloat(dtype) ? 'float32' : dtype
    const start: LoopExpr = { kind: 'constant', value: identityOf(monoid, wide), dtype: wide }
    const totals = points.map(() =>
      this.#kept(lanes === 1 ? start : { kind: 'splat', of: start }, { dtype: wide, lanes }),
    )
    this.#over(axes, () => {
      for (const [i, point] of points.entries())
        this.#guarded(guard, point, () => {
          const terms = factors.map((factor) => this.#valueIn(lanes, factor, point, wide))
          const op = (
            name: 'mul' | (typeof combining)[keyof typeof combining],
            a: LoopExpr,
            b: LoopExpr,
          ): LoopExpr => ({
            kind: 'op',
            op: name,
            attrs: {},
            args: [a, b],
            dtype: wide,
            lanes,
          })
          const term = terms.reduce((a, b) => op('mul', a, b))
          const total = totals[i] as Extract<LoopExpr, { kind: 'register' }> // kept above
          this.#body.push({ kind: 'set', register: total.register, value: op(combining[monoid], total, term) })
        })
    })
    points.forEach((point, i) => {
      this.#known.set(this.#keyOf(expr, point), converted(totals[i] as LoopExpr, { from: wide, to: dtype, lanes }))
    })
  }

  /** The number of the largest term; -1 while none has counted. */
  #winner({ axes, factors, guard }: Accumulator, point: Point): LoopExpr {
    const [factor] = factors as readonly [number] // of an argmax
    const dtype = this.#dtypeOf(factor)
    const [best, winner] = [this.#newRegister({ dtype, lanes: 1 }), this.#newRegister({ dtype: 'int32', lanes: 1 })]
    this.#body.push({ kind: 'set', register: best, value: { kind: 'constant', value: 0, dtype } })
    this.#body.push({ kind: 'set', register: winner, value: int(-1) })
    this.#over(axes, () =>
      this.#guarded(guard, point, () => this.#takeWinner(this.#value(factor, point), best, winner, axes)),
    )
    return { kind: 'register', register: winner }
  }

  /** Loops over axes that are reduced, and in them what `add` adds. */
  #over(axes: readonly number[], add: () => void): void {
    this.#body.push(...this.#nested(axes, () => this.#block(add)))
  }

  #guarded(guard: number | null, point: Point, add: () => void): void {
    if (guard === null) {
      add()
      return
    }
    const condition = this.#value(guard, point)
    this.#body.push({ kind: 'if', condition, body: this.#block(add), otherwise: [] })
  }

  #dtypeOf(expr: number): DType {
    return (this.#phase.exprs[expr] as Expr).dtype // verified
  }

  /** Takes the term where none was taken, where it is larger, or where it is the first NaN. */
  #takeWinner(term: LoopExpr, most: number, winner: number, axes: readonly number[]): void {
    const best: LoopExpr = { kind: 'register', register: most }
    const isFirst = position('eq', { kind: 'register', register: winner }, int(-1))
    const isFirstNan = flag('and', {}, compared('ne', term, term), compared('eq', best, best))
    const condition = flag('or', {}, isFirst, flag('or', {}, compared('gt', term, best), isFirstNan))
    const strides = stridesOf(axes.map((axis) => this.#phase.axes[axis] as number))
    const number = this.#linear(
      { offset: 0, terms: axes.map((axis, i) => ({ axis, stride: strides[i] as number })) },
      { row: 0, vector: 0 },
    )
    const body: readonly Statement[] = [
      { kind: 'set', register: most, value: term },
      { kind: 'set', register: winner, value: number },
    ]
    this.#body.push({ kind: 'if', condition, body, otherwise: [] })
  }

  #linear({ offset, terms }: Pick<Linear, 'offset' | 'terms'>, { row, vector }: Point): LoopExpr {
    const { rowAxis, vectorAxis } = this.#schedule
    let fixed = offset
    let sum: LoopExpr | null = null
    for (const { axis, stride } of terms) {
      const binding = this.#bindings[axis] as Binding // of an enclosing loop
      const inTile = axis === rowAxis ? row : axis === vectorAxis ? vector * this.#lanes : 0
      fixed += stride * (binding.offset + inTile)
      if (binding.loop === null) continue
      const counter: LoopExpr = { kind: 'counter', loop: binding.loop }
      const factor = stride * binding.scale
      const part = factor === 1 ? counter : position('mul', counter, int(factor))
      sum = sum === null ? part : position('add', sum, part)
    }
    return sum === null ? int(fixed) : fixed === 0 ? sum : position('add', sum, int(fixed))
  }

  /** A quotient rounded down. Its dividend is made positive by a multiple of the divisor, which is taken away again. */
  #roundedDown(x: Linear, point: Point): LoopExpr {
    if (x.divisor === 1) return this.#linear(x, point)
    const lift = this.#lift(x)
    const quotient = position('div', this.#linear({ ...x, offset: x.offset + lift * x.divisor }, point), int(x.divisor))
    return lift === 0 ? quotient : position('add', quotient, int(-lift))
  }

  /** So many divisors make the dividend positive everywhere. */
  #lift(x: Linear): number {
    const [least] = rangeOf(x, this.#phase.axes)
    return Math.max(0, Math.ceil(-least))
  }

  #inside(coordinates: readonly Coordinate[], point: Point): LoopExpr {
    return coordinates.reduce<LoopExpr>((all, { at, size }) => {
      if (at.kind === 'computed') return all
      const value = this.#roundedDown(at, point)
      const within = position('and', position('lt', int(-1), value), position('lt', value, int(size)))
      const dividend = { ...at, offset: at.offset + this.#lift(at) * at.divisor }
      const remainder = position('rem', this.#linear(dividend, point), int(at.divisor))
      const exact = at.divisor === 1 ? within : position('and', within, position('eq', remainder, int(0)))
      return all === truth ? exact : position('and', all, exact)
    }, truth)
  }

  /** The number of an element that is inside. */
  #place(coordinates: readonly Coordinate[], point: Point): LoopExpr {
    const strides = stridesOf(coordinates.map(({ size }) => size))
    const whole: Linear['terms'][number][] = []
    let offset = 0
    const others: LoopExpr[] = []
    coordinates.forEach(({ at, size }, i) => {
      const stride = strides[i] as number
      if (at.kind === 'linear' && at.divisor === 1) {
        offset += at.offset * stride
        whole.push(...at.terms.map((term) => ({ axis: term.axis, stride: term.stride * stride })))
        return
      }
      const value = at.kind === 'linear' ? this.#roundedDown(at, point) : moved(this.#value(at.expr, point), size)
      others.push(stride === 1 ? value : position('mul', value, int(stride)))
    })
    const strideOf = new Map<number, number>()
    for (const { axis, stride } of whole) strideOf.set(axis, (strideOf.get(axis) ?? 0) + stride)
    const terms = [...strideOf].map(([axis, stride]) => ({ axis, stride }))
    return others.reduce((sum, part) => position('add', sum, part), this.#linear({ offset, terms }, point))
  }
}

const flag = (op: 'and' | 'or' | 'compare', attrs: object, a: LoopExpr, b: LoopExpr): LoopExpr => ({
  kind: 'op',
  op,
  attrs: attrs as Extract<LoopExpr, { kind: 'op' }>['attrs'],
  args: [a, b],
  dtype: 'bool',
  lanes: 1,
})

const compared = (direction: 'gt' | 'ne' | 'eq', a: LoopExpr, b: LoopExpr): LoopExpr =>
  flag('compare', { direction }, a, b)

/** An index moved to the nearest that is inside. */
const moved = (index: LoopExpr, size: number): LoopExpr => {
  const op = (name: 'maximum' | 'minimum', a: LoopExpr, b: LoopExpr): LoopExpr => ({
    kind: 'op',
    op: name,
    attrs: {},
    args: [a, b],
    dtype: 'int32',
    lanes: 1,
  })
  return op('minimum', op('maximum', index, int(0)), int(size - 1))
}

const combining = {
  sum: 'add',
  product: 'mul',
  max: 'maximum',
  min: 'minimum',
  and: 'and',
  or: 'or',
} as const

const converted = (
  value: LoopExpr,
  { from, to, lanes }: { readonly from: DType; readonly to: DType; readonly lanes: Lanes },
): LoopExpr =>
  from === to ? value : { kind: 'op', op: 'cast', attrs: { to, relaxed: false }, args: [value], dtype: to, lanes }
