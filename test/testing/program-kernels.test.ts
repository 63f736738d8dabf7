/** Which kernels of a program with very many kernels are verified. */
import { expect, test } from 'vitest'
import { parse } from '../../src/ir/parse.ts'
import { programOf } from '../../src/passes/program.ts'
import { chosenKernels, kernelsOf } from '../../src/testing/verify/program-kernels.ts'

const of = (op: string, sizes: readonly number[]): string =>
  sizes.map((n) => `%${op}${n} = ${op}(%x${n}) : float32[${n},${n + 2}]`).join(' ')
const sizes = [8, 2, 6, 4]
const text = `graph g {
  ${sizes.map((n) => `%x${n} = input() {name="x${n}"} : float32[${n},${n + 2}]`).join(' ')}
  ${of('relu', sizes)} ${of('exp', [4])}
  return ${[...sizes.map((n) => `y${n} = %relu${n}`), 'z = %exp4'].join(', ')}
}`

test('all, if there are not too many; otherwise the smallest of each class of sizes, and the number of the others', () => {
  const kernels = kernelsOf(programOf(parse(text)))
  expect(kernels).toHaveLength(5)
  expect(chosenKernels(kernels, { kernelsMax: 5, perClass: 1 })).toEqual({ chosen: kernels, left: 0 })
  const { chosen, left } = chosenKernels(kernels, { kernelsMax: 4, perClass: 2 })
  expect(left).toBe(2)
  expect(chosen.map(({ node }) => [node.op, node.types[0]?.shape[0]])).toEqual([
    ['relu', 2],
    ['relu', 4],
    ['exp', 4],
  ])
})
