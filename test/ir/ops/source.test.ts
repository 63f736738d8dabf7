/** Ops without operands: the numbers that they make. */
import { expect, test } from 'vitest'
import { interpret } from '../../../src/ir/interpret.ts'
import { parse } from '../../../src/ir/parse.ts'

const valuesOf = (op: string, type: string): readonly number[] => [
  ...(interpret(parse(`graph g { %y = ${op} : ${type} return y = %y }`), { inputs: {} }).outputs['y']?.data ?? []),
]

test.each([
  [0, [0, 0, 0, 1, 1, 1]],
  [1, [0, 1, 2, 0, 1, 2]],
])('iota counts along axis %i', (axis, want) => {
  expect(valuesOf(`iota() {axis=${axis}, dtype="int32", shape=[2,3]}`, 'int32[2,3]')).toEqual(want)
})

test('iota along a middle axis', () => {
  expect(valuesOf('iota() {axis=1, dtype="float32", shape=[2,2,2]}', 'float32[2,2,2]')).toEqual([
    0, 0, 1, 1, 0, 0, 1, 1,
  ])
})

test('a constant of one number fills its shape', () => {
  expect(valuesOf('constant() {value=2.5}', 'float32[2,2]')).toEqual([2.5, 2.5, 2.5, 2.5])
  expect(valuesOf('constant() {value=[1,-2,3]}', 'int32[3]')).toEqual([1, -2, 3])
})
