/** Arithmetic on linear functions of axes. */
import type { Coordinate, Linear } from './kernel.ts'

export const fixed = (offset: number): Linear => ({ kind: 'linear', offset, terms: [], divisor: 1 })

export const axis = (at: number): Linear => ({
  kind: 'linear',
  offset: 0,
  terms: [{ axis: at, stride: 1 }],
  divisor: 1,
})

/** x * factor + offset. If x has a divisor, the result is meaningful only where x is an integer. */
export const scaled = (x: Linear, factor: number, offset = 0): Linear => ({
  kind: 'linear',
  offset: x.offset * factor + offset * x.divisor,
  terms: x.terms
    .map(({ axis: at, stride }) => ({ axis: at, stride: stride * factor }))
    .filter(({ stride }) => stride !== 0),
  divisor: x.divisor,
})

/** (x + offset) / divisor. */
export const divided = (x: Linear, offset: number, divisor: number): Linear => {
  const moved = scaled(x, 1, offset)
  return { ...moved, divisor: moved.divisor * divisor }
}

/** The sum of linear functions without divisors. */
export const sum = (parts: readonly Linear[]): Linear => {
  const strides = new Map<number, number>()
  let offset = 0
  for (const part of parts) {
    offset += part.offset
    for (const term of part.terms) strides.set(term.axis, (strides.get(term.axis) ?? 0) + term.stride)
  }
  const terms = [...strides]
    .filter(([, stride]) => stride !== 0)
    .sort(([a], [b]) => a - b)
    .map(([at, stride]) => ({ axis: at, stride }))
  return { kind: 'linear', offset, terms, divisor: 1 }
}

/** The value at a point of the axes. It is not rounded. */
export const valueAt = ({ offset, terms, divisor }: Linear, point: readonly number[]): number =>
  terms.reduce((total, { axis: at, stride }) => total + stride * (point[at] as number), offset) / divisor

/** The smallest and the largest value over all points. */
export const rangeOf = ({ offset, terms, divisor }: Linear, sizes: readonly number[]): readonly [number, number] => {
  let [least, largest] = [offset, offset]
  for (const { axis: at, stride } of terms) {
    const reach = stride * ((sizes[at] as number) - 1)
    least += Math.min(reach, 0)
    largest += Math.max(reach, 0)
  }
  return [least / divisor, largest / divisor]
}

/** Is the coordinate in bounds at every point? A quotient counts as in bounds only if it never has a remainder. */
export const isAlwaysInside = ({ at, size }: Coordinate, sizes: readonly number[]): boolean => {
  if (at.kind === 'computed') return true // it is clamped
  const { offset, terms, divisor } = at
  if (divisor !== 1 && (offset % divisor !== 0 || terms.some(({ stride }) => stride % divisor !== 0))) return false
  const [least, largest] = rangeOf(at, sizes)
  return least >= 0 && largest <= size - 1
}

/** Coordinates in a tensor of this shape. */
export const coordinatesOf = (at: readonly Coordinate['at'][], shape: readonly number[]): readonly Coordinate[] =>
  at.map((x, i) => ({ at: x, size: shape[i] as number }))
