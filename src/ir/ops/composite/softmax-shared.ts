/** Loops along one axis, and the type rule of the softmax family. */
import type { RefTensor } from '../../op-def.ts'
import { elements, isFloat, showType, type Type } from '../../types.ts'

/** C1: a float operand. C2: the axis exists. */
export const axisTypes = (x: Type, axis: number): readonly [Type] | string =>
  !isFloat(x.dtype)
    ? `C1: a float operand is needed, got ${showType(x)}`
    : axis >= x.shape.length
      ? `C2: axis ${axis} of a tensor of rank ${x.shape.length}`
      : [x]

/** Applies `f` to each line along the axis; `f` returns a line of the same length. */
export const mapLines = (x: RefTensor, axis: number, f: (line: Float64Array) => Float64Array): Float64Array => {
  const size = x.shape[axis] ?? 1
  const inner = elements(x.shape.slice(axis + 1))
  const out = new Float64Array(x.data.length)
  const line = new Float64Array(size)
  for (let start = 0; start < x.data.length; start += size * inner) {
    for (let i = 0; i < inner; i++) {
      for (let k = 0; k < size; k++) line[k] = x.data[start + k * inner + i] as number
      f(line).forEach((v, k) => {
        out[start + k * inner + i] = v
      })
    }
  }
  return out
}

/** log(softmax(line)). Subtracts the largest element first and then the logarithm of the sum, which would be lost if it were added to a large one. */
export const logSoftmaxOf = (line: Float64Array): Float64Array => {
  const top = line.reduce((a, b) => Math.max(a, b), -Infinity)
  const shifted = line.map((v) => v - top)
  const total = Math.log(shifted.reduce((sum, v) => sum + Math.exp(v), 0))
  return shifted.map((v) => v - total)
}

export const axisExample = (op: string): string =>
  `graph example {\n  %0 = input() {name="x"} : float32[2,3]\n  %1 = ${op}(%0) {axis=1} : float32[2,3]\n  return y = %1\n}`
