/**
 * Loops whose sizes are parameters of the call. Phases that differ only in sizes, strides and offsets have the same loops, so a backend needs one
 * function for all of them. Such loops compute maps without conditions: no reductions, and all coordinates are linear and in bounds. They are slower
 * than loops with constant sizes, so they suit kernels that run rarely: the 80 kernels that fold and pack the weights of EfficientNet-B0 have ten
 * different nests.
 */
import { exactJson } from '../../../ir/exact-json.ts'
import type { Expr, Linear, Phase } from '../kernel/kernel.ts'
import { isAlwaysInside, rowMajor } from '../kernel/linear.ts'
import { int, position } from './bindings.ts'
import { LoopBuilder } from './builder.ts'
import type { Lanes, LoopExpr, LoopNest } from './loops.ts'

export interface SizedPhase {
  /** Equal for phases with the same loops, if their buffers have the same dtypes. */
  readonly key: string
  /** The number of units of work. */
  readonly units: number
  readonly parameters: readonly number[]
  readonly loops: () => LoopNest
}

/** Null if the phase must have loops of its own. */
export const sizedPhase = (phase: Phase): SizedPhase | null => {
  const accesses = accessesOf(phase)
  if (accesses === null) return null
  // A map of one element is a map along an axis of size 1.
  const axes = phase.axes.length === 0 ? [1] : phase.axes
  const inner = axes.length - 1
  const steps = accesses.map((access) => stepOf(strideOn(access, inner)))
  const [outermost] = axes as readonly [number] // there is an axis
  const unit = unitOf(axes)
  return {
    key: exactJson([
      axes.length,
      steps,
      phase.exprs.map((expr) => (expr.kind === 'load' ? ['load', expr.buffer, expr.dtype] : expr)),
      phase.stores.map(({ buffer, value }) => [buffer, value]),
    ]),
    units: Math.ceil(outermost / unit),
    // SizedLoops reads them in this order.
    parameters: [
      unit,
      ...axes,
      ...accesses.flatMap((access) => [access.offset, ...axes.map((_, axis) => strideOn(access, axis))]),
    ],
    loops: () => new SizedLoops(phase, axes.length, steps).nest(),
  }
}

/** The distance in elements between neighbours of the innermost axis: 0, 1, or a parameter. */
type Step = 0 | 1 | null
const stepOf = (stride: number): Step => (stride === 0 || stride === 1 ? stride : null)

const strideOn = ({ terms }: Linear, axis: number): number => terms.find((term) => term.axis === axis)?.stride ?? 0

/** The positions of all loads and then of all stores; null if one is not linear or not always in bounds, or if the phase is not a plain map. */
const accessesOf = ({ axes, accumulators, exprs, stores }: Phase): readonly Linear[] | null => {
  if (accumulators.length > 0 || exprs.some(({ kind }) => !plainKinds.has(kind))) return null
  const places = [...exprs.filter(isLoad), ...stores].map(({ coordinates }) =>
    coordinates.every((each) => isAlwaysInside(each, axes)) ? rowMajor(coordinates) : null,
  )
  return places.every((place) => place !== null) ? places : null
}

const plainKinds: ReadonlySet<Expr['kind']> = new Set(['load', 'op', 'constant'])
const isLoad = (expr: Expr): expr is Extract<Expr, { kind: 'load' }> => expr.kind === 'load'

/** A phase with fewer points is one unit: waking threads takes longer. */
const dividedPointsMin = 16384
/** A unit has at least as many points, if there are several. */
const unitPointsMin = 2048

/** How many indices of the outermost axis are a unit. */
const unitOf = (axes: readonly number[]): number => {
  const [outermost, ...inner] = axes as readonly [number, ...number[]]
  const pointsOfIndex = inner.reduce((product, size) => product * size, 1)
  if (outermost * pointsOfIndex < dividedPointsMin) return Math.max(1, outermost)
  return Math.ceil(unitPointsMin / pointsOfIndex)
}

class SizedLoops {
  readonly #phase: Phase
  readonly #rank: number
  readonly #steps: readonly Step[]
  readonly #builder = new LoopBuilder()
  #loopCount = 0

  constructor(phase: Phase, rank: number, steps: readonly Step[]) {
    this.#phase = phase
    this.#rank = rank
    this.#steps = steps
  }

  nest(): LoopNest {
    const unit = this.#parameter(0)
    const from = (of: 'first' | 'end'): LoopExpr => this.#kept(position('mul', { kind: 'unit', of }, unit))
    const [first, end] = [from('first'), this.#kept(position('min', from('end'), this.#size(0)))]
    this.#axis(
      0,
      [first, end],
      this.#steps.map((_, access) => this.#parameter(this.#place(access))),
    )
    return {
      scratchSize: 0,
      loopCount: this.#loopCount,
      registers: this.#builder.registers,
      body: this.#builder.finish(),
    }
  }

  #size(axis: number): LoopExpr {
    return this.#parameter(1 + axis)
  }

  /** The number of the access's first parameter: its offset, which its strides follow. */
  #place(access: number): number {
    return 1 + this.#rank + access * (1 + this.#rank)
  }

  /** The loops from this axis on. `bases`: the position of each access where the counters from this axis on are 0. */
  #axis(axis: number, [first, end]: readonly [LoopExpr, LoopExpr], bases: readonly LoopExpr[]): void {
    if (axis === this.#rank - 1) {
      this.#innermost([first, end], bases)
      return
    }
    this.#loop(first, end, 1, (counter) => {
      const inner = bases.map((base, access) =>
        this.#kept(position('add', base, position('mul', counter, this.#stride(access, axis)))),
      )
      this.#axis(axis + 1, [int(0), this.#size(axis + 1)], inner)
    })
  }

  /** Vectors as far as possible, then single elements. */
  #innermost([first, end]: readonly [LoopExpr, LoopExpr], bases: readonly LoopExpr[]): void {
    let rest = first
    if (this.#isVector) {
      const count = this.#kept(position('div', plus(position('mul', first, int(-1)), end), int(4)))
      this.#loop(int(0), count, 4, (counter) => this.#points(4, this.#kept(plus(first, counter)), bases))
      rest = this.#kept(plus(first, position('mul', count, int(4))))
    }
    this.#loop(rest, end, 1, (counter) => this.#points(1, this.#kept(counter), bases))
  }

  /** Neighbours are stored side by side, and are loaded side by side or from one place. */
  get #isVector(): boolean {
    const loads = this.#phase.exprs.filter(isLoad).length
    return this.#steps.every((step, access) => step === 1 || (step === 0 && access < loads))
  }

  /** One element or four neighbours, from this index of the innermost axis on. All are computed before any is stored: a result may overwrite an operand. */
  #points(lanes: Lanes, index: LoopExpr, bases: readonly LoopExpr[]): void {
    let access = 0
    const values: LoopExpr[] = []
    for (const expr of this.#phase.exprs) {
      const value = isLoad(expr)
        ? load(expr.buffer, this.#at(access, index, bases), this.#steps[access++] === 0 ? 1 : lanes)
        : computed(expr, values, lanes)
      const isOne = lanes === 4 && (value.kind === 'constant' || (value.kind === 'load' && value.lanes === 1))
      values.push(this.#builder.kept(isOne ? { kind: 'splat', of: value } : value, { dtype: expr.dtype, lanes }))
    }
    for (const { buffer, value } of this.#phase.stores)
      this.#builder.add({
        kind: 'store',
        buffer,
        at: this.#at(access++, index, bases),
        value: values[value] as LoopExpr, // an earlier expression
        lanes,
      })
  }

  /** The position of an access at this index of the innermost axis. */
  #at(access: number, index: LoopExpr, bases: readonly LoopExpr[]): LoopExpr {
    const step = this.#steps[access]
    const base = bases[access] as LoopExpr // one for each access
    if (step === 0) return base
    const distance = step === 1 ? index : position('mul', index, this.#stride(access, this.#rank - 1))
    return position('add', base, distance)
  }

  #loop(first: LoopExpr, end: LoopExpr, stride: number, add: (counter: LoopExpr) => void): void {
    const loop = this.#loopCount++
    this.#builder.loop(loop, first, end, () => add({ kind: 'affine', offset: 0, terms: [{ loop, stride }] }))
  }

  #stride(access: number, axis: number): LoopExpr {
    return this.#parameter(this.#place(access) + 1 + axis)
  }

  #parameter(number: number): LoopExpr {
    return this.#builder.hoisted({ kind: 'parameter', number }, [])
  }

  #kept(value: LoopExpr): LoopExpr {
    return this.#builder.kept(value, { dtype: 'int32', lanes: 1 })
  }
}

const load = (buffer: number, at: LoopExpr, lanes: Lanes): LoopExpr => ({ kind: 'load', buffer, at, lanes })

/** A constant or the result of an op: accessesOf() has checked the kinds. */
const computed = (expr: Expr, values: readonly LoopExpr[], lanes: Lanes): LoopExpr => {
  if (expr.kind === 'constant') return { kind: 'constant', value: expr.value, dtype: expr.dtype }
  const { op, attrs, args, dtype } = expr as Extract<Expr, { kind: 'op' }>
  return { kind: 'op', op, attrs, args: args.map((arg) => values[arg] as LoopExpr), dtype, lanes }
}

const plus = (a: LoopExpr, b: LoopExpr): LoopExpr =>
  a.kind === 'constant' && a.value === 0 ? b : position('add', a, b)
