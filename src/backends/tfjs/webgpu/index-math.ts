/** WGSL for the indices of an invocation's elements. */
import { elements } from '../../../ir/types.ts'
import { stridesOf } from '../../../ir/ops/shape.ts'
import { Parameters } from './parameters.ts'
import type { Shader } from './shader.ts'

/** Statements that declare the coordinates of element `index` in an array, as u32. Coordinates on axes of size 1 are 0. */
export const coordinates = (
  index: string,
  shape: readonly number[],
  names: readonly string[],
  p: Parameters,
): string => {
  const statements: string[] = []
  let rest = index
  shape.forEach((size, axis) => {
    const name = names[axis] ?? `c${axis}`
    const below = elements(shape.slice(axis + 1))
    if (size === 1) statements.push(`let ${name} = 0u;`)
    else if (below === 1) statements.push(`let ${name} = ${rest};`)
    else {
      const step = p.u(below)
      statements.push(`let ${name} = quotient(${rest}, ${step}); let after_${name} = ${rest} - ${name} * ${step};`)
      rest = `after_${name}`
    }
  })
  return statements.join('\n  ')
}

const axisNames = (rank: number): readonly string[] => Array.from({ length: rank }, (_, axis) => `c${axis}`)

/** The index for coordinates c0, c1 … with the given strides, starting at `at`, as i32. Strides may be negative. */
const place = (shape: readonly number[], strides: readonly number[], at: number, p: Parameters): string => {
  const terms = shape.flatMap((size, axis) =>
    size === 1 || strides[axis] === 0 ? [] : [`i32(c${axis}) * ${p.i(strides[axis] ?? 0)}`],
  )
  return [p.i(at), ...terms].join(' + ')
}

/** Statements that declare the coordinates c0, c1 … of element i of the result, for `broadcastIndex`. Empty if all operands are read in order. */
export const resultCoordinates = (
  result: readonly number[],
  operands: readonly (readonly number[])[],
  p: Parameters,
): string =>
  operands.every((operand) => elements(operand) === 1 || elements(operand) === elements(result))
    ? ''
    : coordinates('i', result, axisNames(result.length), p)

/** The index of the operand's element for element i of the result. Axes of size 1 repeat; the operand may lack leading axes. */
export const broadcastIndex = (result: readonly number[], operand: readonly number[], p: Parameters): string => {
  if (elements(operand) === elements(result)) return 'i'
  if (elements(operand) === 1) return '0u'
  const lead = result.length - operand.length
  const strides = stridesOf(operand)
  const terms = operand.flatMap((size, axis) => {
    if (size === 1) return []
    const stride = strides[axis] ?? 1
    return [stride === 1 ? `c${lead + axis}` : `c${lead + axis} * ${p.u(stride)}`]
  })
  return terms.join(' + ')
}

/** A shader that reads elements along strides, in the order of a shape. */
export const movedShader = (shape: readonly number[], at: number, strides: readonly number[]): Shader => {
  const p = new Parameters()
  const body = `${coordinates('i', shape, axisNames(shape.length), p)}
  result[i] = x0[${place(shape, strides, at, p)}];`
  return { parameters: p, body }
}
