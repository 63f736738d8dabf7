/** Evaluations of an operand that is not stored: the terms of a sum, divided by the elements of a tile that share one. */
import { expect, test } from 'vitest'
import { evaluationsPerResult } from '../../../src/backends/codegen/kernel/recomputation.ts'
import { liveOrder, typeOf } from '../../../src/ir/graph.ts'
import { nodeCost } from '../../../src/ir/cost.ts'
import { parse } from '../../../src/ir/parse.ts'
import { elements } from '../../../src/ir/types.ts'

const x = '%x = input() {name="x"}'
const w = '%w = input() {name="w"}'

// A tile has 8 columns, in two vectors of 4 numbers, and 4 rows. A window of one column has no columns to share.
test.each([
  ['matmul', `${x} : float32[16,32] ${w} : float32[32,24] %y = matmul(%x, %w) : float32[16,24]`, 1, 1 / 4],
  ['conv2d', `${x} : float32[2,6,5,3] ${w} : float32[3,2,3,16] %y = conv2d(%x, %w) : float32[2,6,5,16]`, 0, 4 / 8],
  ['conv2d', `${x} : float32[2,6,5,3] ${w} : float32[3,2,3,16] %y = conv2d(%x, %w) : float32[2,6,5,16]`, 1, 1 / 4],
  [
    'conv2dInputGradient',
    `${x} : float32[2,6,5,16] ${w} : float32[3,2,8,16] %y = conv2dInputGradient(%x, %w) {inputShape=[2,6,5,8]} : float32[2,6,5,8]`,
    1,
    1 / 4,
  ],
  [
    'conv2dFilterGradient',
    `${x} : float32[2,6,5,4] ${w} : float32[2,6,5,16] %y = conv2dFilterGradient(%x, %w) {filterShape=[3,2,4,16]} : float32[3,2,4,16]`,
    1,
    1 / 4,
  ],
  [
    'depthwiseConv2dFilterGradient',
    `${x} : float32[2,6,5,7] ${w} : float32[2,6,5,7] %y = depthwiseConv2dFilterGradient(%x, %w) {filterShape=[3,2,7,1]} : float32[3,2,7,1]`,
    1,
    1 / 4,
  ],
] as const)('%s, operand', (op, body, operand, share) => {
  const graph = parse(`graph g { ${body} return y = %y }`)
  const node = liveOrder(graph).find((each) => each.op === op) as Parameters<typeof evaluationsPerResult>[0]
  const types = node.inputs.map((ref) => typeOf(graph, ref))
  const terms = nodeCost(graph, node).multiplyAdds / elements(node.types[0]?.shape ?? [])
  expect(terms).toBeGreaterThan(1)
  expect(evaluationsPerResult(node, operand, types)).toBeCloseTo(terms * share, 9)
})
