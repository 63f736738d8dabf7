/** From a phase to loops: element by element, in row-major order, accumulators one after another. The plainest schedule. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import { type DType, isFloat } from '../../../ir/types.ts'
import type { Accumulator, Coordinate, Expr, Linear, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside, rangeOf } from '../kernel/linear.ts'
import type { IndexOp, LoopExpr, Loops, Statement } from './loops.ts'

export const loopsOf = (phase: Phase): Loops => new LoopLowering(phase).lower()

const int = (value: number): LoopExpr => ({ kind: 'constant', value, dtype: 'int32' })
const truth: LoopExpr = { kind: 'constant', value: 1, dtype: 'bool' }
const position = (op: IndexOp, a: LoopExpr, b: LoopExpr): LoopExpr => ({ kind: 'position', op, args: [a, b] })

class LoopLowering {
  readonly #phase: Phase
  readonly #registers: DType[] = []
  /** Registers of expressions whose values are known where statements are being added. */
  #known = new Map<number, LoopExpr>()
  #body: Statement[] = []

  constructor(phase: Phase) {
    this.#phase = phase
  }

  lower(): Loops {
    const { axes, parallel, stores } = this.#phase
    const inner = this.#block(() => {
      for (const { buffer, coordinates, value } of stores) {
        const found = this.#value(value)
        this.#body.push({ kind: 'store', buffer, at: this.#place(coordinates), value: found })
      }
    })
    const all = axes.slice(0, parallel).map((_, at) => at)
    return { loopCount: axes.length, registers: this.#registers, body: this.#nested(all, inner) }
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

  #nested(axes: readonly number[], body: readonly Statement[]): readonly Statement[] {
    return axes.reduceRight<readonly Statement[]>(
      (inner, loop) => [{ kind: 'for', loop, count: this.#phase.axes[loop] as number, body: inner }],
      body,
    )
  }

  /** The value of an expression of the kernel, in a register. */
  #value(at: number): LoopExpr {
    const known = this.#known.get(at)
    if (known !== undefined) return known
    const expr = this.#phase.exprs[at] as Expr // verified
    const made = this.#computed(expr)
    const value = made.kind === 'constant' || made.kind === 'register' ? made : this.#kept(made, expr.dtype)
    this.#known.set(at, value)
    return value
  }

  #kept(value: LoopExpr, dtype: DType): LoopExpr {
    const register = this.#newRegister(dtype)
    this.#body.push({ kind: 'set', register, value })
    return { kind: 'register', register }
  }

  #newRegister(dtype: DType): number {
    this.#registers.push(dtype)
    return this.#registers.length - 1
  }

  #computed(expr: Expr): LoopExpr {
    switch (expr.kind) {
      case 'constant':
        return { kind: 'constant', value: expr.value, dtype: expr.dtype }
      case 'index':
        return this.#roundedDown(expr.of)
      case 'inside':
        return this.#inside(expr.coordinates)
      case 'random':
        return { kind: 'random', stream: expr.stream, at: this.#linear(expr.index) }
      case 'op': {
        const args = expr.args.map((arg) => this.#value(arg))
        return { kind: 'op', op: expr.op, attrs: expr.attrs, args, dtype: expr.dtype }
      }
      case 'load':
        return this.#load(expr)
      case 'accumulated':
        return this.#accumulated(this.#phase.accumulators[expr.accumulator] as Accumulator)
    }
  }

  /** A load that may be outside is made only where it is inside. */
  #load({ buffer, coordinates, fill, dtype }: Extract<Expr, { kind: 'load' }>): LoopExpr {
    const open = coordinates.filter((coordinate) => !isAlwaysInside(coordinate, this.#phase.axes))
    if (open.length === 0) return { kind: 'load', buffer, at: this.#place(coordinates) }
    const register = this.#newRegister(dtype)
    const condition = this.#inside(open)
    const body = this.#block(() => {
      this.#body.push({ kind: 'set', register, value: { kind: 'load', buffer, at: this.#place(coordinates) } })
    })
    const otherwise: Statement = { kind: 'set', register, value: { kind: 'constant', value: fill, dtype } }
    this.#body.push({ kind: 'if', condition, body, otherwise: [otherwise] })
    return { kind: 'register', register }
  }

  #accumulated(accumulator: Accumulator): LoopExpr {
    const { monoid, axes, factors, guard, dtype } = accumulator
    if (monoid === 'argmax') return this.#winner(accumulator)
    const wide = isFloat(dtype) ? 'float32' : dtype
    const total = this.#newRegister(wide)
    this.#body.push({
      kind: 'set',
      register: total,
      value: { kind: 'constant', value: startOf(monoid, wide), dtype: wide },
    })
    this.#over(axes, guard, () => {
      const terms = factors.map((factor) => converted(this.#value(factor), this.#dtypeOf(factor), wide))
      const term = terms.reduce((a, b): LoopExpr => ({ kind: 'op', op: 'mul', attrs: {}, args: [a, b], dtype: wide }))
      const args = [{ kind: 'register', register: total } as const, term]
      const value: LoopExpr = { kind: 'op', op: combining[monoid], attrs: {}, args, dtype: wide }
      this.#body.push({ kind: 'set', register: total, value })
    })
    return converted({ kind: 'register', register: total }, wide, dtype)
  }

  /** The number of the largest term; -1 while none has counted. */
  #winner({ axes, factors, guard }: Accumulator): LoopExpr {
    const [factor] = factors as readonly [number] // of an argmax
    const dtype = this.#dtypeOf(factor)
    const [best, winner] = [this.#newRegister(dtype), this.#newRegister('int32')]
    this.#body.push({ kind: 'set', register: best, value: { kind: 'constant', value: 0, dtype } })
    this.#body.push({ kind: 'set', register: winner, value: int(-1) })
    this.#over(axes, guard, () => this.#takeWinner(this.#value(factor), best, winner, axes))
    return { kind: 'register', register: winner }
  }

  /** Loops over axes, and in them what `add` adds, where the guard holds. */
  #over(axes: readonly number[], guard: number | null, add: () => void): void {
    const body = this.#block(() => {
      if (guard === null) return add()
      const condition = this.#value(guard)
      this.#body.push({ kind: 'if', condition, body: this.#block(add), otherwise: [] })
    })
    this.#body.push(...this.#nested(axes, body))
  }

  #dtypeOf(expr: number): DType {
    return (this.#phase.exprs[expr] as Expr).dtype // verified
  }

  /** Takes the term where none was taken, where it is larger, or where it is the first NaN. */
  #takeWinner(term: LoopExpr, most: number, winner: number, axes: readonly number[]): void {
    const best: LoopExpr = { kind: 'register', register: most }
    const compare = (direction: 'gt' | 'ne' | 'eq', a: LoopExpr, b: LoopExpr): LoopExpr => ({
      kind: 'op',
      op: 'compare',
      attrs: { direction },
      args: [a, b],
      dtype: 'bool',
    })
    const bool = (op: 'and' | 'or', a: LoopExpr, b: LoopExpr): LoopExpr => ({
      kind: 'op',
      op,
      attrs: {},
      args: [a, b],
      dtype: 'bool',
    })
    const isFirst = position('eq', { kind: 'register', register: winner }, int(-1))
    const isFirstNan = bool('and', compare('ne', term, term), compare('eq', best, best))
    const condition = bool('or', isFirst, bool('or', compare('gt', term, best), isFirstNan))
    const strides = stridesOf(axes.map((axis) => this.#phase.axes[axis] as number))
    const number = axes.reduce<LoopExpr>(
      (sum, axis, i) =>
        position('add', sum, position('mul', { kind: 'counter', loop: axis }, int(strides[i] as number))),
      int(0),
    )
    const body: readonly Statement[] = [
      { kind: 'set', register: most, value: term },
      { kind: 'set', register: winner, value: number },
    ]
    this.#body.push({ kind: 'if', condition, body, otherwise: [] })
  }

  #linear({ offset, terms }: Omit<Linear, 'divisor'>): LoopExpr {
    let sum: LoopExpr | null = null
    for (const { axis, stride } of terms) {
      const counter: LoopExpr = { kind: 'counter', loop: axis }
      const part = stride === 1 ? counter : position('mul', counter, int(stride))
      sum = sum === null ? part : position('add', sum, part)
    }
    return sum === null ? int(offset) : offset === 0 ? sum : position('add', sum, int(offset))
  }

  /** A quotient rounded down. Its dividend is made positive by a multiple of the divisor, which is taken away again. */
  #roundedDown(x: Linear): LoopExpr {
    if (x.divisor === 1) return this.#linear(x)
    const [least] = rangeOf(x, this.#phase.axes)
    const lift = Math.max(0, Math.ceil(-least))
    const quotient = position('div', this.#linear({ ...x, offset: x.offset + lift * x.divisor }), int(x.divisor))
    return lift === 0 ? quotient : position('add', quotient, int(-lift))
  }

  #inside(coordinates: readonly Coordinate[]): LoopExpr {
    return coordinates.reduce<LoopExpr>((all, { at, size }) => {
      if (at.kind === 'computed') return all
      const value = this.#roundedDown(at)
      const low = position('lt', int(-1), value)
      const within = position('and', low, position('lt', value, int(size)))
      const [least] = rangeOf(at, this.#phase.axes)
      const lift = Math.max(0, Math.ceil(-least)) * at.divisor
      const exact =
        at.divisor === 1
          ? within
          : position(
              'and',
              within,
              position(
                'eq',
                position('rem', this.#linear({ ...at, offset: at.offset + lift }), int(at.divisor)),
                int(0),
              ),
            )
      return all === truth ? exact : position('and', all, exact)
    }, truth)
  }

  /** The number of an element that is inside. */
  #place(coordinates: readonly Coordinate[]): LoopExpr {
    const strides = stridesOf(coordinates.map(({ size }) => size))
    return coordinates.reduce<LoopExpr>((sum, { at, size }, i) => {
      const value = at.kind === 'linear' ? this.#roundedDown(at) : this.#moved(this.#value(at.expr), size)
      const stride = strides[i] as number
      const part = stride === 1 ? value : position('mul', value, int(stride))
      return sum.kind === 'constant' && sum.value === 0 ? part : position('add', sum, part)
    }, int(0))
  }

  /** An index moved to the nearest that is inside. */
  #moved(index: LoopExpr, size: number): LoopExpr {
    const op = (name: 'maximum' | 'minimum', a: LoopExpr, b: LoopExpr): LoopExpr => ({
      kind: 'op',
      op: name,
      attrs: {},
      args: [a, b],
      dtype: 'int32',
    })
    return op('minimum', op('maximum', index, int(0)), int(size - 1))
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

const startOf = (monoid: keyof typeof combining, dtype: DType): number => {
  switch (monoid) {
    case 'max':
      return dtype === 'int32' ? -(2 ** 31) : -Infinity
    case 'min':
      return dtype === 'int32' ? 2 ** 31 - 1 : Infinity
    case 'product':
    case 'and':
      return 1
    default:
      return 0
  }
}

const converted = (value: LoopExpr, from: DType, to: DType): LoopExpr =>
  from === to ? value : { kind: 'op', op: 'cast', attrs: { to, relaxed: false }, args: [value], dtype: to }
