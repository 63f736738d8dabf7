/** Products of all elements of a slice except one, for the gradient of a product. */
import type { OpEmitter } from '../../emitter.ts'
import { elements } from '../../types.ts'
import type { Value } from '../../value.ts'

/**
 * For each element of x the product of the other elements in its slice over `axes`, in x's shape.
 * It multiplies the product of the elements before with that of the elements after, without division. The result is therefore right if the element
 * itself is 0, infinite or makes the whole product overflow, and its gradients are right too. Takes 2 log2(n) multiplications for n elements.
 */
export const productOfOthers = (b: OpEmitter, x: Value, axes: readonly number[]): Value => {
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis))
  const permutation = [...kept, ...axes]
  const isOrdered = permutation.every((from, axis) => from === axis)
  const moved = isOrdered ? x : b.transpose(x, permutation)
  const count = elements(axes.map((axis) => x.shape[axis] as number)) // checked by C1
  const lines = b.reshape(moved, [elements(x.shape) / count, count])
  const others = b.reshape(b.mul(products(b, lines, 'before'), products(b, lines, 'after')), moved.shape)
  return isOrdered
    ? others
    : b.transpose(
        others,
        permutation.map((_, axis) => permutation.indexOf(axis)),
      )
}

type Side = 'before' | 'after'

/** For each element of a line the product of all elements on one side. It doubles the number of multiplied neighbours until it covers the line. */
const products = (b: OpEmitter, lines: Value, side: Side): Value => {
  const [, count = 1] = lines.shape
  let product = shifted(b, lines, 1, side)
  for (let step = 1; step < count - 1; step *= 2) product = b.mul(product, shifted(b, product, step, side))
  return product
}

/** Shifts each line by `distance`, and fills with 1. */
const shifted = (b: OpEmitter, lines: Value, distance: number, side: Side): Value => {
  const [rows = 1, count = 1] = lines.shape
  return side === 'before'
    ? b.slice(b.pad(lines, [0, distance], [0, 0], 1), [0, 0], [rows, count])
    : b.slice(b.pad(lines, [0, 0], [0, distance], 1), [0, distance], [rows, count + distance])
}
