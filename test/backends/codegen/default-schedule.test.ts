/** The default schedule: what is read again as rarely as possible, and windows that slide only as far as the registers suffice. */
import { expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import type { Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { packOperands } from '../../../src/backends/codegen/kernel/pack.ts'
import { defaultSchedule } from '../../../src/backends/codegen/loops/default-schedule.ts'
import { parse } from '../../../src/ir/parse.ts'

/** The only phase of a graph that returns %y. */
const phaseOf = (body: string): Phase => {
  const { kernel } = kernelOf(parse(`graph g { ${body} return y = %y }`))
  const { phases } = packOperands(kernel, () => true).kernel
  expect(phases).toHaveLength(1)
  return phases[0] as Phase
}

// Axes of a product with packed weights: rows, panels, columns of a panel, terms. Vectors go along the columns.
test.each([
  [8, 512, [1, 0, 2]],
  [16, 1024, [1, 0, 2]],
  [512, 16, [0, 1, 2]],
  [64, 64, [0, 1, 2]],
])('a product of %i rows and %i columns reads the larger operand once', (rows, columns, order) => {
  const phase =
    phaseOf(`%x = input() {name="x"} : float32[${rows},32] %w = variable() {name="w"} : float32[32,${columns}]
    %y = matmul(%x, %w) : float32[${rows},${columns}]`)
  expect(defaultSchedule(phase)).toMatchObject({ rowAxis: 0, vectorAxis: 2, order })
})

// Axes: rows and columns of the picture, channels, rows and columns of the window.
test.each([
  [3, 1, 4],
  [3, 2, 3],
  [5, 1, 8],
  [8, 1, 8],
])(
  'a window of %i columns with stride %i slides over at most %i pixels, of one vector each',
  (window, stride, most) => {
    const size = 32 / stride
    const phase =
      phaseOf(`%x = input() {name="x"} : float32[1,32,32,64] %w = variable() {name="w"} : float32[${window},${window},64,1]
    %y = depthwiseConv2d(%x, %w) {strides=[${stride},${stride}]} : float32[1,${size},${size},64]`)
    const { unrolled, vectors, rows, rowAxis } = defaultSchedule(phase)
    expect({ unrolled, vectors, rowAxis }).toEqual({ unrolled: [4], vectors: 1, rowAxis: 1 })
    expect(rows).toBeGreaterThan(1)
    expect(rows).toBeLessThanOrEqual(most)
  },
)

test('a window of more than eight columns does not slide', () => {
  const phase = phaseOf(`%x = input() {name="x"} : float32[1,32,32,64] %w = variable() {name="w"} : float32[9,9,64,1]
    %y = depthwiseConv2d(%x, %w) : float32[1,32,32,64]`)
  expect(defaultSchedule(phase).unrolled).toEqual([])
})
