/** The union of members: each node of either kernel once, in ascending order. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { union } from '../../../src/passes/fusion/members.ts'

test('a union has the numbers of both lists, each once, in ascending order', () => {
  const ascending = fc.uniqueArray(fc.nat(30), { maxLength: 12 }).map((list) => list.toSorted((a, b) => a - b))
  fc.assert(
    fc.property(ascending, ascending, (a, b) => {
      expect(union(a, b)).toEqual([...new Set([...a, ...b])].sort((x, y) => x - y))
    }),
  )
})
