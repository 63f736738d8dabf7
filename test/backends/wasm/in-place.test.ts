/** Which operands the result of a kernel may overwrite: only those of which each point reads just the element that it writes. */
import { expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { inPlacePairs } from '../../../src/backends/wasm/in-place.ts'
import { parse } from '../../../src/ir/parse.ts'

/** How many operands the result may overwrite, of a kernel with one phase. */
const overwritten = (body: string): number => {
  const { kernel } = kernelOf(parse(`graph g { ${body} return y = %y }`))
  expect(kernel.phases).toHaveLength(1)
  const pairs = kernel.phases.flatMap((phase) => inPlacePairs(phase, kernel.buffers))
  for (const { read, write } of pairs)
    expect([kernel.buffers[read]?.role, kernel.buffers[write]?.role]).toEqual(['operand', 'result'])
  return pairs.length
}
const x = (type: string): string => `%x = input() {name="x"} : ${type}`
const z = (type: string): string => `%z = input() {name="z"} : ${type}`

test.each([
  ['an elementwise op', `${x('float32[4,5]')} %y = neg(%x) : float32[4,5]`, 1],
  ['both operands', `${x('float32[4,5]')} ${z('float32[4,5]')} %y = add(%x, %z) : float32[4,5]`, 2],
  [
    'an operand that is repeated',
    `${x('float32[4,5]')} ${z('float32[5]')} %b = broadcast(%z) {shape=[4,5], axes=[1]} : float32[4,5] %y = add(%x, %b) : float32[4,5]`,
    1,
  ],
  ['an axis of size 1', `${x('float32[1,5,1]')} %y = exp(%x) : float32[1,5,1]`, 1],
  ['a scalar', `${x('float32[]')} %y = exp(%x) : float32[]`, 1],
  ['an element of another size', `${x('float32[6]')} %y = cast(%x) {to="float16"} : float16[6]`, 0],
  ['another dtype', `${x('float32[6]')} %y = cast(%x) {to="int32"} : int32[6]`, 0],
  ['a transposition', `${x('float32[5,5]')} %y = transpose(%x) {permutation=[1,0]} : float32[5,5]`, 0],
  ['a reversal', `${x('float32[6]')} %y = reverse(%x) {axes=[0]} : float32[6]`, 0],
  [
    'an operand and its reversal',
    `${x('float32[6]')} %r = reverse(%x) {axes=[0]} : float32[6] %y = add(%x, %r) : float32[6]`,
    0,
  ],
  ['a product', `${x('float32[4,4]')} ${z('float32[4,4]')} %y = matmul(%x, %z) : float32[4,4]`, 0],
])('%s', (_, body, count) => {
  expect(overwritten(body)).toBe(count)
})
