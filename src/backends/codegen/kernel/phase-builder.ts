/** Builds one phase. Equal expressions are stored once. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import type { OpAttrs } from '../../../ir/signatures.ts'
import { type DType, elements, sameShape } from '../../../ir/types.ts'
import type { Accumulator, Coordinate, Expr, Linear, Phase, ScalarOp, Store } from './kernel.ts'
import { axis, isAlwaysInside, sum } from './linear.ts'
import { ExprTable, withoutUnused } from './expr-table.ts'
import { mapLinears, mapStore } from './rewrite.ts'

/** An axis that was split in two: axis = outer * (size of inner) + inner. */
interface Split {
  readonly outer: number
  readonly inner: number
}

/**
 * Builder of a phase. An axis number stays valid when its axis is split, so linear functions of it can be kept. `finish` gives the remaining axes
 * their final numbers, and removes axes of size 1.
 */
export class PhaseBuilder {
  /** Expressions of values at positions, by keys of the lowering. */
  readonly pulled = new Map<string, number>()
  readonly #shape: readonly number[]
  readonly #sizes: number[]
  readonly #splits = new Map<number, Split>()
  readonly #reduced = new Map<string, readonly Linear[]>()
  readonly #isReduced = new Set<number>()
  readonly #exprs = new ExprTable()
  readonly #accumulators: Accumulator[] = []
  readonly #stores: Store[] = []

  /** `shape`: the sizes of the parallel axes. */
  constructor(shape: readonly number[]) {
    this.#shape = shape
    this.#sizes = [...shape]
  }

  /** The parallel axes as linear numbers. */
  point(): readonly Linear[] {
    return this.#shape.map((_, at) => axis(at))
  }

  /** Are these coordinates exactly the parallel axes, and is `shape` their shape? */
  isAtPoint(at: readonly Coordinate['at'][], shape: readonly number[]): boolean {
    return sameShape(this.#shape, shape) && at.every((x, i) => x.kind === 'linear' && this.#areEqual(x, axis(i)))
  }

  /**
   * Can an accumulator compute its result at these coordinates? They must depend on parallel axes alone, and be integers in bounds at every point.
   */
  areResults(at: readonly Coordinate['at'][], shape: readonly number[]): boolean {
    return at.every(
      (x, i) =>
        x.kind === 'linear' &&
        !x.terms.some((term) => this.#isReduced.has(term.axis)) &&
        isAlwaysInside({ at: x, size: shape[i] as number }, this.#sizes),
    )
  }

  /** New reduced axes as linear numbers. Accumulators over the same sizes share their axes. */
  reduced(sizes: readonly number[]): readonly Linear[] {
    const key = sizes.join()
    const known = this.#reduced.get(key)
    if (known !== undefined) return known
    const made = sizes.map((size) => this.#axis(size))
    for (const at of made) this.#isReduced.add(at)
    this.#reduced.set(key, made.map(axis))
    return made.map(axis)
  }

  /**
   * Splits a row-major position into coordinates in a tensor of these sizes. Axes are split where a dimension ends inside of an axis. Null if that is
   * not possible.
   */
  digits(x: Linear, sizes: readonly number[]): readonly Linear[] | null {
    const strides = stridesOf(sizes)
    for (const boundary of strides) if (!this.#splitAt(x, boundary)) return null
    const terms = [...this.#resolved(x).terms].sort((a, b) => a.stride - b.stride)
    let end = 1 // all terms so far add up to less than this
    for (const { axis: at, stride } of terms) {
      if (stride < end) return null
      end = stride * (this.#sizes[at] as number)
    }
    if (x.offset !== 0 || x.divisor !== 1 || end > elements(sizes)) return null
    const digits = sizes.map((size, i) => {
      const low = strides[i] as number
      const own = terms.filter(({ stride }) => stride >= low && stride < low * size)
      return sum([{ ...x, terms: own.map((term) => ({ axis: term.axis, stride: term.stride / low })) }])
    })
    return digits.every((digit) => digit.terms.every(({ stride }) => Number.isInteger(stride))) ? digits : null
  }

  dtypeOf(expr: number): DType {
    return (this.#exprs.all[expr] as Expr).dtype // an expression of this phase
  }

  op(op: ScalarOp, args: readonly number[], dtype: DType, attrs: OpAttrs<ScalarOp> = {}): number {
    return this.#exprs.add({ kind: 'op', op, attrs, args, dtype })
  }

  /** The value cast to this dtype. */
  cast(expr: number, to: DType): number {
    return this.dtypeOf(expr) === to ? expr : this.op('cast', [expr], to, { to, relaxed: false })
  }

  constant(value: number, dtype: DType): number {
    return this.#exprs.add({ kind: 'constant', value, dtype })
  }

  index(of: Linear): number {
    return this.#exprs.add({ kind: 'index', of, dtype: 'int32' })
  }

  random(stream: string, index: Linear): number {
    return this.#exprs.add({ kind: 'random', stream, index, dtype: 'float32' })
  }

  load(buffer: number, coordinates: readonly Coordinate[], dtype: DType): number {
    return this.#exprs.add({ kind: 'load', buffer, coordinates, fill: 0, dtype })
  }

  /** An expression that is true where all coordinates are in bounds; null if they are so at every point. */
  inside(coordinates: readonly Coordinate[]): number | null {
    const open = coordinates.filter((coordinate) => !isAlwaysInside(coordinate, this.#sizes))
    return open.length === 0 ? null : this.#exprs.add({ kind: 'inside', coordinates: open, dtype: 'bool' })
  }

  /** One expression that is true where all of these are true; null if none is given. */
  all(flags: readonly (number | null)[]): number | null {
    return flags.reduce(
      (both, flag) => (flag === null ? both : both === null ? flag : this.op('and', [both, flag], 'bool')),
      null,
    )
  }

  accumulate(accumulator: Accumulator): number {
    const text = JSON.stringify(accumulator)
    const known = this.#accumulators.findIndex((each) => JSON.stringify(each) === text)
    if (known < 0) this.#accumulators.push(accumulator)
    return this.#exprs.add({
      kind: 'accumulated',
      accumulator: known < 0 ? this.#accumulators.length - 1 : known,
      dtype: accumulator.dtype,
    })
  }

  store(buffer: number, coordinates: readonly Coordinate[], value: number): void {
    this.#stores.push({ buffer, coordinates, value })
  }

  finish(): Phase {
    const [parallel, reduced] = [this.point(), [...this.#reduced.values()].flat()].map((axes) =>
      axes.flatMap((x) => this.#axesOf(x)),
    ) as [number[], number[]]
    const used = new Set(this.#accumulators.flatMap(({ axes }) => axes.flatMap((at) => this.#axesOf(axis(at)))))
    const order = [...parallel, ...reduced.filter((at) => used.has(at))]
    const change = (x: Linear): Linear => {
      const { terms, ...rest } = this.#resolved(x)
      const moved = terms.map(({ axis: at, stride }) => ({ axis: order.indexOf(at), stride }))
      return { ...rest, terms: moved.sort((a, b) => a.axis - b.axis) }
    }
    const accumulators = this.#accumulators.map((accumulator) => ({
      ...accumulator,
      axes: accumulator.axes.flatMap((at) => this.#axesOf(axis(at)).map((part) => order.indexOf(part))),
    }))
    const stores = this.#stores.map((store) => mapStore(store, change))
    const exprs = this.#exprs.all.map((expr) => mapLinears(expr, change))
    const axes = order.map((at) => this.#sizes[at] as number)
    return withoutUnused({ axes, parallel: parallel.length, exprs, accumulators, stores })
  }

  #axis(size: number): number {
    this.#sizes.push(size)
    return this.#sizes.length - 1
  }

  /** The axes that an axis was split into, outer axes first, without axes of size 1. */
  #axesOf({ terms }: Linear): readonly number[] {
    return terms.flatMap(({ axis: at }) => {
      const split = this.#splits.get(at)
      if (split !== undefined) return [split.outer, split.inner].flatMap((part) => this.#axesOf(axis(part)))
      return this.#sizes[at] === 1 ? [] : [at]
    })
  }

  #areEqual(a: Linear, b: Linear): boolean {
    const [x, y] = [this.#resolved(a), this.#resolved(b)]
    const areTermsEqual = x.terms.every(
      ({ axis: at, stride }, i) => at === y.terms[i]?.axis && stride === y.terms[i].stride,
    )
    return x.offset === y.offset && x.divisor === y.divisor && x.terms.length === y.terms.length && areTermsEqual
  }

  /** The number in terms of axes that are not split, without axes of size 1. */
  #resolved(x: Linear): Linear {
    if (x.terms.every(({ axis: at }) => !this.#splits.has(at) && this.#sizes[at] !== 1)) return x
    const parts = x.terms.flatMap(({ axis: at, stride }): readonly { axis: number; stride: number }[] => {
      const split = this.#splits.get(at)
      if (split === undefined) return this.#sizes[at] === 1 ? [] : [{ axis: at, stride }]
      const outer = { axis: split.outer, stride: stride * (this.#sizes[split.inner] as number) }
      return this.#resolved({ ...x, terms: [outer, { axis: split.inner, stride }] }).terms
    })
    return { ...sum([{ ...x, terms: parts }]), divisor: x.divisor }
  }

  /** Splits the axis of the term that crosses the boundary, if there is one. Returns false if it cannot be split there. */
  #splitAt(x: Linear, boundary: number): boolean {
    const crossing = this.#resolved(x).terms.find(
      ({ axis: at, stride }) => stride < boundary && boundary < stride * (this.#sizes[at] as number),
    )
    if (crossing === undefined) return true
    const size = this.#sizes[crossing.axis] as number
    const inner = boundary / crossing.stride
    if (!Number.isInteger(inner) || size % inner !== 0) return false
    const parts = { outer: this.#axis(size / inner), inner: this.#axis(inner) }
    this.#splits.set(crossing.axis, parts)
    if (this.#isReduced.has(crossing.axis)) this.#isReduced.add(parts.outer).add(parts.inner)
    return true
  }
}
