/** Arithmetic on shapes, shared by op definitions. */

/** Row-major strides in elements: [2,3,4] -> [12,4,1]. */
export const stridesOf = (shape: readonly number[]): number[] => {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis] ?? 1
  }
  return strides
}

/** Calls `visit` with each multi-index of `shape` in row-major order. The array is reused. */
export const forEachIndex = (
  shape: readonly number[],
  visit: (index: readonly number[], flat: number) => void,
): void => {
  const index = new Array<number>(shape.length).fill(0)
  const count = shape.reduce((a, b) => a * b, 1)
  for (let flat = 0; flat < count; flat++) {
    visit(index, flat)
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1
      if (next < (shape[axis] ?? 1)) {
        index[axis] = next
        break
      }
      index[axis] = 0
    }
  }
}

/** The shape after reducing `axes`; with `keepDims` they stay with size 1. */
export const reducedShape = (shape: readonly number[], axes: readonly number[], keepDims: boolean): number[] =>
  keepDims
    ? shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
    : shape.filter((_, axis) => !axes.includes(axis))

/** What is wrong with a list of axes, or null: strictly ascending, below the rank. */
export const checkAxes = (constraint: string, axes: readonly number[], rank: number): string | null => {
  if (axes.some((axis) => !Number.isSafeInteger(axis) || axis < 0 || axis >= rank))
    return `${constraint}: axes [${axes.join(',')}] of a tensor of rank ${rank}`
  if (axes.some((axis, i) => i > 0 && axis <= (axes[i - 1] ?? -1)))
    return `${constraint}: axes must be ascending and distinct, got [${axes.join(',')}]`
  return null
}

/** The broadcast shape by NumPy's rule: aligned at the last axis, sizes equal or 1. Null if the shapes do not fit. */
export const broadcastShape = (a: readonly number[], b: readonly number[]): readonly number[] | null => {
  const rank = Math.max(a.length, b.length)
  const shape: number[] = []
  for (let axis = 0; axis < rank; axis++) {
    const x = a[axis - rank + a.length] ?? 1
    const y = b[axis - rank + b.length] ?? 1
    if (x !== y && x !== 1 && y !== 1) return null
    shape.push(Math.max(x, y))
  }
  return shape
}
