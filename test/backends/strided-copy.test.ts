/** Copies between strided walks, against the definition: one element after another. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyStrided } from '../../src/backends/common/strided-copy.ts'

/**
 * A block, and where it is in both arrays. Targets have distinct elements: an axis order, gaps and directions. A stride of the source may also be 0,
 * which repeats. Long inner axes are copied in runs.
 */
const walks = fc
  .array(
    fc.record({
      size: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant(40)),
      gap: fc.constantFrom(0, 0, 0, 1, 3),
      isReversed: fc.boolean(),
      sourceStride: fc.constantFrom(0, 0, null, null, null, 2, -1),
    }),
    { maxLength: 4 },
  )
  .filter((axes) => axes.reduce((product, { size }) => product * size, 1) <= 320)
  .chain((axes) =>
    fc.record({
      axes: fc.constant(axes),
      isForward: fc.boolean(),
      order: fc.oneof(
        fc.constant([...axes.keys()]),
        fc.shuffledSubarray([...axes.keys()], { minLength: axes.length, maxLength: axes.length }),
      ),
    }),
  )
  .map(({ axes, order, isForward }) => {
    const shape = axes.map(({ size }) => size)
    const [from, to] = [[] as number[], [] as number[]]
    let dense = 1
    let extent = 1
    for (const axis of order.toReversed()) {
      const { size, gap, isReversed, sourceStride } = axes[axis] as (typeof axes)[number]
      const stride = extent + gap
      to[axis] = isReversed && !isForward ? -stride : stride
      extent = stride * (size - 1) + extent
      from[axis] = sourceStride ?? dense
      if (sourceStride !== 0) dense *= size
    }
    return { shape, from, to }
  })

/** Positions of the block's elements, in the order of its indexes. */
const positions = (shape: readonly number[], strides: readonly number[]): readonly number[] =>
  shape.reduce<readonly number[]>(
    (all, size, axis) =>
      all.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * (strides[axis] as number))),
    [0],
  )
const startOf = (all: readonly number[]): number => 3 - Math.min(...all)
const lengthOf = (all: readonly number[]): number => 6 + Math.max(...all) - Math.min(...all)

test('copies each element of the block, and nothing else', () => {
  fc.assert(
    fc.property(walks, ({ shape, from, to }) => {
      const [sources, targets] = [positions(shape, from), positions(shape, to)]
      const source = Float32Array.from({ length: lengthOf(sources) }, (_, i) => i + 1)
      const target = new Float32Array(lengthOf(targets)).fill(-1)
      const want = target.slice()
      sources.forEach((at, i) => {
        want[startOf(targets) + (targets[i] as number)] = source[startOf(sources) + at] as number
      })
      copyStrided(source, { at: startOf(sources), strides: from }, target, { at: startOf(targets), strides: to }, shape)
      expect(target).toEqual(want)
    }),
    { numRuns: 600, examples: [[{ shape: [2, 2, 40], from: [0, 1, 40], to: [-1, -2, -5] }]] },
  )
})
