/** Arithmetic on linear functions of axes. */
import { stridesOf } from '../../../ir/ops/shape.ts'
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
  terms:
    factor === 0
      ? []
      : factor === 1
        ? x.terms
        : x.terms.map(({ axis: at, stride }) => ({ axis: at, stride: stride * factor })),
  divisor: x.divisor,
})

/** (x + offset) / divisor. */
export const divided = (x: Linear, offset: number, divisor: number): Linear => {
  const moved = scaled(x, 1, offset)
  return { ...moved, divisor: moved.divisor * divisor }
}

/** The sum of linear functions without divisors. Their terms may be in any order. */
export const sum = (parts: readonly Linear[]): Linear => {
  let offset = 0
  let terms: Linear['terms'] = []
  for (const part of parts) {
    offset += part.offset
    if (areOrdered(part.terms)) terms = merged(terms, part.terms)
    else for (const term of part.terms) terms = merged(terms, [term])
  }
  return { kind: 'linear', offset, terms, divisor: 1 }
}

const areOrdered = (terms: Linear['terms']): boolean => {
  for (let i = 1; i < terms.length; i++) if (termAt(terms, i).axis <= termAt(terms, i - 1).axis) return false
  return true
}

const termAt = (terms: Linear['terms'], i: number): Linear['terms'][number] => terms[i] as Linear['terms'][number] // i is inside

/** The sum of two lists of terms in ascending order of axes. */
const merged = (a: Linear['terms'], b: Linear['terms']): Linear['terms'] => {
  if (a.length === 0) return b
  const terms: Linear['terms'][number][] = []
  let [i, j] = [0, 0]
  while (i < a.length || j < b.length) {
    const isFirst = j === b.length || (i < a.length && termAt(a, i).axis < termAt(b, j).axis)
    const isSecond = i === a.length || (j < b.length && termAt(b, j).axis < termAt(a, i).axis)
    if (isFirst) terms.push(termAt(a, i++))
    else if (isSecond) terms.push(termAt(b, j++))
    else {
      const stride = termAt(a, i++).stride + termAt(b, j).stride
      if (stride !== 0) terms.push({ axis: termAt(b, j).axis, stride })
      j++
    }
  }
  return terms
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

/** The row-major position of an element; null if a coordinate is a quotient or computed. */
export const rowMajor = (coordinates: readonly Coordinate[]): Linear | null => {
  const strides = stridesOf(coordinates.map(({ size }) => size))
  const parts = coordinates.flatMap(({ at }, i) =>
    at.kind === 'linear' && at.divisor === 1 ? [scaled(at, strides[i] as number)] : [],
  )
  return parts.length === coordinates.length ? sum(parts) : null
}

/** Coordinates in a tensor of this shape. */
export const coordinatesOf = (at: readonly Coordinate['at'][], shape: readonly number[]): readonly Coordinate[] =>
  at.map((x, i) => ({ at: x, size: shape[i] as number }))
