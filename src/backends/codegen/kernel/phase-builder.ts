/** Collects the expressions of one phase; equal ones are one. */
import type { OpAttrs } from '../../../ir/signatures.ts'
import { type DType, sameShape } from '../../../ir/types.ts'
import type { Accumulator, Coordinate, Expr, Linear, Phase, ScalarOp, Store } from './kernel.ts'
import { axis, isAlwaysInside } from './linear.ts'

export class PhaseBuilder {
  readonly #axes: number[]
  readonly #parallel: number
  readonly #exprs: Expr[] = []
  readonly #known = new Map<string, number>()
  readonly #accumulators: Accumulator[] = []
  readonly #stores: Store[] = []

  /** `shape`: sizes of the parallel axes. */
  constructor(shape: readonly number[]) {
    this.#axes = [...shape]
    this.#parallel = shape.length
  }

  /** The parallel axes, each as a number. */
  point(): readonly Linear[] {
    return this.#axes.slice(0, this.#parallel).map((_, at) => axis(at))
  }

  /** Are these the parallel axes, and are they those of a tensor of this shape? */
  isAtPoint(at: readonly Coordinate['at'][], shape: readonly number[]): boolean {
    const isOwn = (x: Coordinate['at'], i: number): boolean =>
      x.kind === 'linear' &&
      x.offset === 0 &&
      x.divisor === 1 &&
      x.terms.length === 1 &&
      x.terms[0]?.axis === i &&
      x.terms[0].stride === 1
    return sameShape(this.#axes.slice(0, this.#parallel), shape) && at.length === this.#parallel && at.every(isOwn)
  }

  /** New axes for an accumulator, each as a number. */
  reduced(sizes: readonly number[]): readonly Linear[] {
    const first = this.#axes.length
    this.#axes.push(...sizes)
    return sizes.map((_, i) => axis(first + i))
  }

  dtypeOf(expr: number): DType {
    return (this.#exprs[expr] as Expr).dtype // an expression of this phase
  }

  op(op: ScalarOp, args: readonly number[], dtype: DType, attrs: OpAttrs<ScalarOp> = {}): number {
    return this.#expr({ kind: 'op', op, attrs, args, dtype })
  }

  /** The value in this element type. */
  cast(expr: number, to: DType): number {
    return this.dtypeOf(expr) === to ? expr : this.op('cast', [expr], to, { to, relaxed: false })
  }

  constant(value: number, dtype: DType): number {
    return this.#expr({ kind: 'constant', value, dtype })
  }

  index(of: Linear): number {
    return this.#expr({ kind: 'index', of, dtype: 'int32' })
  }

  random(stream: string, index: Linear): number {
    return this.#expr({ kind: 'random', stream, index, dtype: 'float32' })
  }

  load(buffer: number, coordinates: readonly Coordinate[], dtype: DType): number {
    return this.#expr({ kind: 'load', buffer, coordinates, fill: 0, dtype })
  }

  /** Null where that is so at each point. */
  inside(coordinates: readonly Coordinate[]): number | null {
    const open = coordinates.filter((coordinate) => !isAlwaysInside(coordinate, this.#axes))
    return open.length === 0 ? null : this.#expr({ kind: 'inside', coordinates: open, dtype: 'bool' })
  }

  /** One expression that is true where all of these are; null where none is given. */
  all(flags: readonly (number | null)[]): number | null {
    return flags.reduce(
      (both, flag) => (flag === null ? both : both === null ? flag : this.op('and', [both, flag], 'bool')),
      null,
    )
  }

  accumulate(accumulator: Accumulator): number {
    this.#accumulators.push(accumulator)
    return this.#expr({ kind: 'accumulated', accumulator: this.#accumulators.length - 1, dtype: accumulator.dtype })
  }

  store(buffer: number, coordinates: readonly Coordinate[], value: number): void {
    this.#stores.push({ buffer, coordinates, value })
  }

  finish(): Phase {
    return {
      axes: this.#axes,
      parallel: this.#parallel,
      exprs: this.#exprs,
      accumulators: this.#accumulators,
      stores: this.#stores,
    }
  }

  #expr(expr: Expr): number {
    // JSON has no -0, and no infinities.
    const key = JSON.stringify(expr, (_, value: unknown) =>
      typeof value === 'number' && (Object.is(value, -0) || !Number.isFinite(value))
        ? `number ${Object.is(value, -0) ? '-0' : value}`
        : value,
    )
    const known = this.#known.get(key)
    if (known !== undefined) return known
    this.#exprs.push(expr)
    this.#known.set(key, this.#exprs.length - 1)
    return this.#exprs.length - 1
  }
}
