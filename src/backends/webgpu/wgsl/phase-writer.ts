/** Writes the statements of one invocation: they compute a phase at the points of a tile. */
import { EffuseError, invariant } from '../../../ir/diagnostics.ts'
import { stridesOf } from '../../../ir/ops/shape.ts'
import { type DType, isFloat } from '../../../ir/types.ts'
import {
  type Accumulator,
  type Coordinate,
  type Expr,
  identityOf,
  type KernelBuffer,
  type Linear,
  type Phase,
} from '../../codegen/kernel/kernel.ts'
import { isAlwaysInside, rangeOf } from '../../codegen/kernel/linear.ts'
import { axesByExpr } from '../../codegen/kernel/rewrite.ts'
import { elementType, literal } from './library.ts'
import { wgslOps } from './ops.ts'
import { tilesOf, type WgslSchedule } from './schedule.ts'

/** A point of the tile. */
interface Point {
  readonly row: number
  readonly column: number
}

const valueType = (dtype: DType): string => (dtype === 'bool' ? 'bool' : elementType(dtype))

export class PhaseWriter {
  readonly #phase: Phase
  readonly #buffers: readonly KernelBuffer[]
  readonly #schedule: WgslSchedule
  readonly #points: readonly Point[]
  /** The axes that each expression depends on, including the axes of accumulators. */
  readonly #reach: readonly ReadonlySet<number>[]
  #known = new Map<string, string>()
  #lines: string[] = []
  #indent = '  '
  #names = 0

  constructor(phase: Phase, buffers: readonly KernelBuffer[], schedule: WgslSchedule) {
    this.#phase = phase
    this.#buffers = buffers
    this.#schedule = schedule
    this.#points = Array.from({ length: schedule.rows * schedule.columns }, (_, i) => ({
      row: Math.floor(i / schedule.columns),
      column: i % schedule.columns,
    }))
    this.#reach = axesByExpr(phase)
  }

  write(): string {
    this.#axes()
    for (const { buffer, coordinates, value } of this.#phase.stores)
      for (const point of this.#points) {
        const stored = this.#value(value, point)
        const { dtype } = this.#buffers[buffer] as KernelBuffer // verified
        const target = `b${buffer}[${this.#place(coordinates, point)}]`
        const open = this.#openAxes(point)
        const statement = `${target} = ${dtype === 'bool' ? `select(0, 1, ${stored})` : stored};`
        this.#add(open.length === 0 ? statement : `if (${open.join(' && ')}) { ${statement} }`)
      }
    return this.#lines.join('\n')
  }

  /** Computes the position of the tile's first point on each axis from the tile number. */
  #axes(): void {
    const tiles = tilesOf(this.#phase, this.#schedule)
    const strides = stridesOf(tiles)
    for (const [at, count] of tiles.entries()) {
      const quotient = strides[at] === 1 ? 'tile' : `tile / ${strides[at]}`
      const digit = at === 0 ? quotient : `(${quotient}) % ${count}`
      const width = this.#width(at)
      this.#add(`let a${at} = ${width === 1 ? digit : `(${digit}) * ${width}`};`)
    }
  }

  #width(axis: number): number {
    const { rowAxis, rows, columnAxis, columns } = this.#schedule
    return axis === rowAxis ? rows : axis === columnAxis ? columns : 1
  }

  /**
   * Conditions for a point that may be past the end of an axis. Values loaded for such a point are not used; WGSL keeps loads within their arrays.
   */
  #openAxes({ row, column }: Point): readonly string[] {
    const { rowAxis, columnAxis } = this.#schedule
    return [[rowAxis, row] as const, [columnAxis, column] as const].flatMap(([axis, step]) => {
      if (axis === null || step === 0) return []
      const size = this.#phase.axes[axis] as number
      return size % this.#width(axis) === 0 ? [] : [`a${axis} + ${step} < ${size}`]
    })
  }

  #add(line: string): void {
    this.#lines.push(`${this.#indent}${line}`)
  }

  /** Writes a block in braces. Values that become known in it are forgotten after it. */
  #block(head: string, add: () => void): void {
    const [known, indent] = [this.#known, this.#indent]
    this.#add(`${head} {`)
    this.#known = new Map(known)
    this.#indent += '  '
    add()
    this.#known = known
    this.#indent = indent
    this.#add('}')
  }

  #keyOf(expr: number, { row, column }: Point): string {
    const reach = this.#reach[expr] as ReadonlySet<number>
    const { rowAxis, columnAxis } = this.#schedule
    return `${expr} ${rowAxis !== null && reach.has(rowAxis) ? row : ''} ${columnAxis !== null && reach.has(columnAxis) ? column : ''}`
  }

  #distinct(expr: number): readonly Point[] {
    const first = new Map<string, Point>()
    for (const point of this.#points) {
      const key = this.#keyOf(expr, point)
      if (!first.has(key)) first.set(key, point)
    }
    return [...first.values()]
  }

  /** The name of the expression's value at a point. */
  #value(at: number, point: Point): string {
    const key = this.#keyOf(at, point)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const expr = this.#phase.exprs[at] as Expr // verified
    if (expr.kind === 'accumulated') {
      this.#accumulate(at, this.#phase.accumulators[expr.accumulator] as Accumulator)
      return this.#known.get(key) as string // #accumulate sets it for all points
    }
    const text = this.#text(expr, point)
    const name = this.#name()
    this.#add(`let ${name} = ${text};`)
    this.#known.set(key, name)
    return name
  }

  #name(): string {
    return `v${this.#names++}`
  }

  #text(expr: Exclude<Expr, { kind: 'accumulated' }>, point: Point): string {
    switch (expr.kind) {
      // In a `let`, so that WGSL does not evaluate it as a constant expression, which must not divide by zero.
      case 'constant':
        return literalOf(expr.value, expr.dtype)
      case 'index':
        return this.#roundedDown(expr.of, point)
      case 'inside':
        return this.#inside(expr.coordinates, point)
      case 'random':
        throw new EffuseError({
          code: 'EF405',
          message: `shaders do not draw random numbers yet: stream "${expr.stream}"`,
        })
      case 'load': {
        const element = `b${expr.buffer}[${this.#place(expr.coordinates, point)}]`
        const value = expr.dtype === 'bool' ? `(${element} != 0)` : element
        const open = expr.coordinates.filter((coordinate) => !isAlwaysInside(coordinate, this.#phase.axes))
        if (open.length === 0) return value
        return `select(${literalOf(expr.fill, expr.dtype)}, ${value}, ${this.#inside(open, point)})`
      }
      case 'op': {
        const args = expr.args.map((arg) => this.#value(arg, point))
        const operand = (this.#phase.exprs[expr.args[0] as number] as Expr).dtype // an op has operands
        const form = wgslOps[expr.op] as (attrs: object, operand: DType) => string // the table's entry belongs to this op and its attributes
        return form(expr.attrs, operand).replace(/\b[abc]\b/g, (name) => args['abc'.indexOf(name)] as string)
      }
    }
  }

  /** Computes an accumulator for all points of the tile, in one loop. */
  #accumulate(at: number, accumulator: Accumulator): void {
    const { monoid, axes, guard, dtype } = accumulator
    const points = this.#distinct(at)
    const totals = points.map((point) => {
      const name = this.#name()
      this.#known.set(this.#keyOf(at, point), name)
      this.#add(`var ${name} : ${valueType(dtype)} = ${literalOf(identityOf(monoid, dtype), dtype)};`)
      return name
    })
    const best = monoid === 'argmax' ? totals.map((name) => `${name}best`) : []
    const [term] = accumulator.factors as readonly [number]
    for (const name of best) {
      this.#add(`var ${name} : ${valueType(this.#dtypeOf(term))} = ${literalOf(0, this.#dtypeOf(term))};`)
      this.#add(`var ${name}taken = false;`)
    }
    const body = (): void =>
      points.forEach((point, i) => {
        const total = totals[i] as string
        const add = (): void =>
          this.#add(
            monoid === 'argmax' ? this.#winner(accumulator, point, total) : this.#combined(accumulator, point, total),
          )
        if (guard === null) add()
        else this.#block(`if (${this.#value(guard, point)})`, add)
      })
    const nested = ([axis, ...rest]: readonly number[]): void =>
      axis === undefined
        ? body()
        : this.#block(`for (var a${axis} = 0; a${axis} < ${this.#phase.axes[axis]}; a${axis}++)`, () => nested(rest))
    if (axes.length === 0) this.#block('', body)
    else nested(axes)
  }

  #combined({ monoid, factors, dtype }: Accumulator, point: Point, total: string): string {
    const term = factors.map((factor) => this.#value(factor, point)).join(' * ')
    switch (monoid) {
      case 'sum':
        return `${total} = ${total} + ${term};`
      case 'product':
        return `${total} = ${total} * ${term};`
      case 'max':
        return `${total} = ${isFloat(dtype) ? 'largest' : 'max'}(${total}, ${term});`
      case 'min':
        return `${total} = ${isFloat(dtype) ? 'smallest' : 'min'}(${total}, ${term});`
      case 'and':
        return `${total} = ${total} && ${term};`
      default:
        invariant(monoid === 'or', () => `${monoid} is not combined`)
        return `${total} = ${total} || ${term};`
    }
  }

  /** Takes the first term, a larger term, or the first NaN. */
  #winner({ axes, factors: [factor] }: Accumulator, point: Point, total: string): string {
    const term = this.#value(factor as number, point)
    const best = `${total}best`
    const isNan = isFloat(this.#dtypeOf(factor as number)) ? ` || (isnan(${term}) && !isnan(${best}))` : ''
    const isLarger = isNan === '' ? `${term} > ${best}` : `(${term} > ${best} && !isnan(${best}) && !isnan(${term}))`
    const strides = stridesOf(axes.map((axis) => this.#phase.axes[axis] as number))
    const number = axes.map((axis, i) => `a${axis} * ${strides[i]}`).join(' + ')
    return `if (!${best}taken || ${isLarger}${isNan}) { ${total} = ${number === '' ? '0' : number}; ${best} = ${term}; ${best}taken = true; }`
  }

  #dtypeOf(expr: number): DType {
    return (this.#phase.exprs[expr] as Expr).dtype // verified
  }

  #linear({ offset, terms }: Pick<Linear, 'offset' | 'terms'>, { row, column }: Point): string {
    const { rowAxis, columnAxis } = this.#schedule
    let fixed = offset
    const parts = terms.map(({ axis, stride }) => {
      fixed += stride * (axis === rowAxis ? row : axis === columnAxis ? column : 0)
      return stride === 1 ? `a${axis}` : `a${axis} * ${stride}`
    })
    return [...parts, ...(fixed !== 0 || parts.length === 0 ? [String(fixed)] : [])].join(' + ')
  }

  /** The multiple of the divisor that makes the dividend nonnegative everywhere, also past the end of a tile: WGSL division rounds towards zero. */
  #lifted(x: Linear): readonly [lift: number, dividend: Linear] {
    const [least] = rangeOf(
      x,
      this.#phase.axes.map((size, axis) => size + this.#width(axis)),
    )
    const lift = Math.max(0, Math.ceil(-least))
    return [lift, { ...x, offset: x.offset + lift * x.divisor }]
  }

  #roundedDown(x: Linear, point: Point): string {
    if (x.divisor === 1) return this.#linear(x, point)
    const [lift, dividend] = this.#lifted(x)
    const quotient = `(${this.#linear(dividend, point)}) / ${x.divisor}`
    return lift === 0 ? quotient : `${quotient} - ${lift}`
  }

  #inside(coordinates: readonly Coordinate[], point: Point): string {
    const conditions = coordinates.flatMap(({ at, size }) => {
      if (at.kind === 'computed') return []
      const value = this.#roundedDown(at, point)
      const exact = at.divisor === 1 ? [] : [`(${this.#linear(this.#lifted(at)[1], point)}) % ${at.divisor} == 0`]
      return [`0 <= ${value}`, `${value} < ${size}`, ...exact]
    })
    return conditions.length === 0 ? 'true' : `(${conditions.join(' && ')})`
  }

  #place(coordinates: readonly Coordinate[], point: Point): string {
    const strides = stridesOf(coordinates.map(({ size }) => size))
    const parts = coordinates.map(({ at, size }, i) => {
      const value =
        at.kind === 'linear' ? this.#roundedDown(at, point) : `clamp(${this.#value(at.expr, point)}, 0, ${size - 1})`
      return strides[i] === 1 ? value : `(${value}) * ${strides[i]}`
    })
    return parts.length === 0 ? '0' : parts.filter((part) => !/^\(?0\)?( \* \d+)?$/.test(part)).join(' + ') || '0'
  }
}

/** A literal of the WGSL type of this dtype. */
const literalOf = (value: number, dtype: DType): string =>
  dtype === 'bool' ? String(value !== 0) : literal(value, dtype)
