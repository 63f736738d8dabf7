/** A reshape is clean if both shapes are groups of neighbours in one list of factors. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isCleanReshape } from '../../../src/backends/codegen/kernel/reshape.ts'

/** Takes common factors from the ends of both shapes. */
const isClean = (from: readonly number[], to: readonly number[]): boolean => {
  const [a, b] = [from, to].map((shape) => shape.filter((size) => size !== 1)) as [number[], number[]]
  for (;;) {
    const [x, y] = [a.pop(), b.pop()]
    if (x === undefined || y === undefined) return x === y
    if (x % y === 0) a.push(...(x === y ? [] : [x / y]))
    else if (y % x === 0) b.push(y / x)
    else return false
  }
}

/** Groups of neighbours in a list of factors, in this order or in another. */
const shapes = fc.array(fc.constantFrom(2, 3, 4, 5), { minLength: 1, maxLength: 5 }).chain((factors) => {
  const grouped = (list: readonly number[]) =>
    fc.array(fc.boolean(), { minLength: list.length, maxLength: list.length }).map((isNew) => {
      const shape = [1]
      list.forEach((factor, i) => {
        shape.push(isNew[i] === true ? factor : (shape.pop() as number) * factor)
      })
      return shape
    })
  const other = fc.oneof(fc.constant(factors), fc.shuffledSubarray(factors, { minLength: factors.length }))
  return fc.tuple(grouped(factors), other.chain(grouped))
})

test('of random shapes', () => {
  const seen = new Set<boolean>()
  fc.assert(
    fc.property(shapes, ([from, to]) => {
      const want = isClean(from, to)
      seen.add(want)
      expect(isCleanReshape(from, to)).toBe(want)
    }),
    { numRuns: 500 },
  )
  expect(seen.size).toBe(2)
})

test.each([
  [[6], [2, 3], true],
  [[4, 6], [2, 2, 6], true],
  [[2, 3], [3, 2], false],
  [[4, 6], [6, 4], false],
  [[1, 8, 3], [4, 1, 6], true],
])('%j to %j: %s', (from, to, want) => expect(isCleanReshape(from, to)).toBe(want))
