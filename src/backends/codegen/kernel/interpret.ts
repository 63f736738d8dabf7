/** Interprets a kernel element by element, in float64, and rounds each expression to its dtype. It is slow. It defines the meaning of kernels. */
import { invariant } from '../../../ir/diagnostics.ts'
import { isLarger } from '../../../ir/ops/reduction/arg-max.ts'
import { forEachIndex, stridesOf } from '../../../ir/ops/shape.ts'
import { wrapInt32 } from '../../../ir/rounding.ts'
import { elements } from '../../../ir/types.ts'
import {
  type Accumulator,
  type Coordinate,
  type Expr,
  identityOf,
  type Kernel,
  type KernelBuffer,
  type Monoid,
  type Phase,
} from './kernel.ts'
import { valueAt } from './linear.ts'
import { applyScalar, roundToType } from './scalar.ts'

/** Random numbers by stream and element. */
export type RandomNumbers = (stream: string, element: number) => number

/** The contents of all buffers after the run. `operands` are by buffer number; half types are widened. */
export const interpretKernel = (
  { buffers, phases }: Kernel,
  operands: ReadonlyMap<number, ArrayLike<number>>,
  random: RandomNumbers = () => {
    throw new Error('the kernel draws random numbers; pass a source of them')
  },
): readonly Float64Array[] => {
  const memory = buffers.map((buffer, at) => {
    const given = buffer.role === 'literal' ? buffer.data : operands.get(at)
    return given == null ? new Float64Array(elements(buffer.shape)).fill(Number.NaN) : Float64Array.from(given)
  })
  for (const phase of phases) runPhase(phase, { buffers, memory, random })
  return memory
}

interface Machine {
  readonly buffers: readonly KernelBuffer[]
  readonly memory: readonly Float64Array[]
  readonly random: RandomNumbers
}

const runPhase = (phase: Phase, machine: Machine): void => {
  const { axes, parallel, stores } = phase
  forEachIndex(axes.slice(0, parallel), (index) => {
    const evaluate = evaluator(phase, machine, [...index])
    for (const { buffer, coordinates, value } of stores) {
      const target = machine.memory[buffer] as Float64Array // verified
      const at = placeOf(coordinates, index, evaluate)
      invariant(at !== null, () => `a store to buffer ${buffer} is out of bounds`)
      target[at] = evaluate(value, index)
    }
  })
}

type Evaluate = (expr: number, point: readonly number[]) => number

/** Evaluates expressions at one point of the parallel axes. An accumulator runs when an expression first uses it. */
const evaluator = (phase: Phase, machine: Machine, parallelPoint: readonly number[]): Evaluate => {
  const done = new Map<number, number>()
  const evaluate: Evaluate = (at, point) => {
    const expr = phase.exprs[at] as Expr // verified
    switch (expr.kind) {
      case 'constant':
        return expr.value
      case 'index':
        return wrapInt32(Math.floor(valueAt(expr.of, point)))
      case 'inside':
        return placeOf(expr.coordinates, point, evaluate) === null ? 0 : 1
      case 'random':
        return machine.random(expr.stream, valueAt(expr.index, point))
      case 'load': {
        const place = placeOf(expr.coordinates, point, evaluate)
        return place === null ? expr.fill : ((machine.memory[expr.buffer] as Float64Array)[place] as number) // verified
      }
      case 'op':
        return applyScalar(
          expr,
          expr.args.map((arg) => ({ value: evaluate(arg, point), dtype: (phase.exprs[arg] as Expr).dtype })),
        )
      case 'accumulated': {
        const known = done.get(expr.accumulator)
        if (known !== undefined) return known
        const value = accumulated(phase.accumulators[expr.accumulator] as Accumulator, phase, parallelPoint, evaluate)
        done.set(expr.accumulator, value)
        return value
      }
    }
  }
  return evaluate
}

/** The row-major position of the element; null where a coordinate is out of bounds. */
const placeOf = (coordinates: readonly Coordinate[], point: readonly number[], evaluate: Evaluate): number | null => {
  const strides = stridesOf(coordinates.map(({ size }) => size))
  let place = 0
  for (const [i, { at, size }] of coordinates.entries()) {
    const value = at.kind === 'linear' ? valueAt(at, point) : Math.min(Math.max(evaluate(at.expr, point), 0), size - 1)
    if (!Number.isInteger(value) || value < 0 || value >= size) return null
    place += value * (strides[i] as number)
  }
  return place
}

const accumulated = (
  { monoid, axes, factors, guard, dtype }: Accumulator,
  phase: Phase,
  parallelPoint: readonly number[],
  evaluate: Evaluate,
): number => {
  const point = [...parallelPoint, ...phase.axes.slice(phase.parallel).map(() => 0)]
  let state: State = { value: identityOf(monoid, dtype), winner: 0, isEmpty: true }
  forEachIndex(
    axes.map((at) => phase.axes[at] as number),
    (index, flat) => {
      axes.forEach((at, i) => {
        point[at] = index[i] as number
      })
      if (guard !== null && evaluate(guard, point) === 0) return
      const term = factors.reduce((product, factor) => product * evaluate(factor, point), 1)
      state = next(monoid, state, term, flat)
    },
  )
  return monoid === 'argmax' ? state.winner : roundToType(state.value, dtype)
}

interface State {
  readonly value: number
  readonly winner: number
  readonly isEmpty: boolean
}

const next = (monoid: Monoid, { value, winner, isEmpty }: State, term: number, flat: number): State => {
  const to = (result: number): State => ({ value: result, winner, isEmpty: false })
  switch (monoid) {
    case 'sum':
      return to(value + term)
    case 'product':
      return to(value * term)
    case 'max':
      return to(Math.max(value, term))
    case 'min':
      return to(Math.min(value, term))
    case 'and':
      return to(value !== 0 && term !== 0 ? 1 : 0)
    case 'or':
      return to(value !== 0 || term !== 0 ? 1 : 0)
    case 'argmax':
      return isEmpty || isLarger(term, value) ? { value: term, winner: flat, isEmpty: false } : to(value)
  }
}
