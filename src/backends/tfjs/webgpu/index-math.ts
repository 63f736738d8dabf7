/** Where an invocation finds its elements. */
import { elements } from '../../../ir/types.ts'
import { stridesOf } from '../../../ir/ops/shape.ts'
import { Parameters } from './parameters.ts'
import type { Shader } from './shader.ts'

/** Statements that name the coordinates of element `index` in an array, as u32; names of axes of size 1 stand for 0. */
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

/** The place of coordinates c0, c1 … along strides, counted from `at`, as i32; strides may be negative. */
const place = (shape: readonly number[], strides: readonly number[], at: number, p: Parameters): string => {
  const terms = shape.flatMap((size, axis) =>
    size === 1 || strides[axis] === 0 ? [] : [`i32(c${axis}) * ${p.i(strides[axis] ?? 0)}`],
  )
  return [p.i(at), ...terms].join(' + ')
}

/** Statements that name the coordinates c0, c1 … of element i of the result; for `broadcastIndex`. None where all operands are read in order. */
export const resultCoordinates = (
  result: readonly number[],
  operands: readonly (readonly number[])[],
  p: Parameters,
): string =>
  operands.every((operand) => elements(operand) === 1 || elements(operand) === elements(result))
    ? ''
    : coordinates('i', result, axisNames(result.length), p)

/** The index of the operand's element that goes with element i of the result; axes of size 1 repeat. The operand may lack leading axes. */
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

/** Elements read along strides, in the order of a shape. */
export const movedShader = (shape: readonly number[], at: number, strides: readonly number[]): Shader => {
  const p = new Parameters()
  const body = `${coordinates('i', shape, axisNames(shape.length), p)}
  result[i] = x0[${place(shape, strides, at, p)}];`
  return { parameters: p, body }
}
