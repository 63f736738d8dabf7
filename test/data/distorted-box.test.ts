/** The random box of a training picture: equal to TensorFlow's for the same random words, within its bounds, and with the right distribution. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Box } from '../../src/pixels/box.ts'
import { distortedBox, recipeBox } from '../../src/data/distorted-box.ts'
import { drawsFrom, rowDraws } from '../../src/data/draws.ts'
import { philox4x32 } from '../../src/ir/philox.ts'

interface GoldenCase {
  readonly area: readonly [number, number]
  readonly aspect: readonly [number, number]
  readonly covered: number
  readonly attempts: number
  readonly sizes: readonly (readonly [width: number, height: number])[]
  readonly seeds: readonly (readonly [number, number])[]
  readonly boxes: readonly (readonly (readonly number[])[])[]
}
const golden: { readonly cases: readonly GoldenCase[] } = JSON.parse(
  readFileSync(new URL('../goldens/data/boxes.json', import.meta.url), 'utf8'),
)

/** The words of TensorFlow's stateless ops (core/kernels/stateless_random_ops.cc, GenerateKey): Philox of a key and counter mixed from two seeds. */
const statelessDraws = ([first, second]: readonly [number, number]) => {
  const [key0 = 0, key1 = 0, high0 = 0, high1 = 0] = philox4x32(first, 0, second, 0, 0x3ec8f720, 0x02461e29)
  let count = 0
  return drawsFrom(() => {
    const words = philox4x32(Math.floor(count / 4), 0, high0, high1, key0, key1)
    return words[count++ % 4] ?? 0
  })
}

describe('as TensorFlow, box by box', () => {
  const cases = golden.cases.flatMap(({ sizes, boxes, ...rest }) =>
    sizes.map((size, i) => ({ ...rest, size, expected: boxes[i] ?? [] })),
  )
  test.each(cases)('$size, area $area, aspect $aspect', ({ size: [width, height], seeds, expected, ...options }) => {
    const { area, aspect, covered: coveredMin, attempts } = options
    const found = seeds.map((seed) => {
      const box = distortedBox(width, height, statelessDraws(seed), { area, aspect, coveredMin, attempts })
      return [box.left, box.top, box.width, box.height]
    })
    expect(found).toEqual(expected)
  })
  test('the golden belongs to the recipe, and has boxes and whole pictures', () => {
    const { area, aspect, covered, attempts, sizes, boxes } = golden.cases[0] ?? expect.unreachable()
    expect({ area, aspect, coveredMin: covered, attempts }).toEqual(recipeBox)
    const whole = sizes.map(([width, height], i) =>
      (boxes[i] ?? []).every((box) => box.join() === `0,0,${width},${height}`),
    )
    expect(new Set(whole)).toEqual(new Set([true, false]))
  })
})

const boxOf = (width: number, height: number, row: number): Box =>
  distortedBox(width, height, rowDraws({ seed: 5, epoch: 1, row, purpose: 'crop' }))

test('a box is inside the picture, with the area and aspect of the options, or it is the whole picture', () => {
  const side = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3000 }))
  fc.assert(
    fc.property(side, side, fc.nat(1_000_000), (width, height, row) => {
      const box = boxOf(width, height, row)
      expect(Number.isInteger(box.left) && Number.isInteger(box.top)).toBe(true)
      expect(Math.min(box.left, box.top, box.width - 1, box.height - 1)).toBeGreaterThanOrEqual(0)
      expect(box.left + box.width).toBeLessThanOrEqual(width)
      expect(box.top + box.height).toBeLessThanOrEqual(height)
      if (box.width === width && box.height === height) return
      const share = (box.width * box.height) / (width * height)
      expect(share).toBeGreaterThan(0.1 - 1e-6) // 0.1 in float32
      expect(share).toBeLessThan(1)
      // The width was rounded: some width within half a pixel has an aspect ratio in the range.
      expect((box.width + 0.5) / box.height).toBeGreaterThanOrEqual(0.75 - 1e-6)
      expect((box.width - 0.5) / box.height).toBeLessThanOrEqual(1.33 + 1e-6)
    }),
    { numRuns: 500 },
  )
})

describe('the distribution', () => {
  const [width, height, count] = [40, 30, 20_000]
  const boxes = Array.from({ length: count }, (_, row) => boxOf(width, height, row))

  /**
   * The independent definition by counting: the ratio r is uniform over its range. All heights between those of the smallest and the largest area for
   * r that fit the picture have equal probability. Heights that violate the bounds after rounding of the width have none; the others are scaled to a
   * sum of 1.
   */
  const expectedHeights = (): ReadonlyMap<number, number> => {
    const found = new Map<number, number>()
    const grid = 4000
    for (let i = 0; i < grid; i++) {
      const ratio = 0.75 + (0.58 * (i + 0.5)) / grid
      const bound = (share: number) => Math.round(Math.sqrt((share * width * height) / ratio))
      const heights = Array.from({ length: height }, (_, n) => n + 1).filter(
        (n) => n >= bound(0.05) && n <= bound(1) && Math.round(n * ratio) <= width,
      )
      for (const n of heights) {
        const share = (n * Math.round(n * ratio)) / (width * height)
        if (share >= 0.1 && share <= 1) found.set(n, (found.get(n) ?? 0) + 1 / heights.length)
      }
    }
    const sum = [...found.values()].reduce((a, b) => a + b, 0)
    return new Map([...found].map(([n, weight]) => [n, weight / sum]))
  }

  /** Pearson's statistic divided by its degrees of freedom: about 1 if the frequencies are as expected. */
  const misfit = (observed: readonly number[], expected: ReadonlyMap<number, number>): number => {
    expect(observed.filter((n) => !expected.has(n))).toEqual([])
    const terms = [...expected].map(([n, probability]) => {
      const mean = observed.length * probability
      return (observed.filter((x) => x === n).length - mean) ** 2 / mean
    })
    return terms.reduce((a, b) => a + b, 0) / (terms.length - 1)
  }
  const even = (n: number): ReadonlyMap<number, number> => new Map(Array.from({ length: n }, (_, i) => [i, 1 / n]))

  test('of heights is as documented', () => {
    const heights = boxes.map((box) => box.height)
    expect(misfit(heights, expectedHeights())).toBeLessThan(2)
    // A check that the test can fail: uniformly drawn areas, as in torchvision, do not pass.
    const otherwise = Array.from({ length: count }, (_, i) => Math.round(Math.sqrt((0.15 + (0.75 * i) / count) * 900)))
    expect(misfit(otherwise, expectedHeights())).toBeGreaterThan(20)
  })
  test('of positions is uniform, without the last position', () => {
    for (const tall of [12, 20, 26]) {
      const tops = boxes.filter((box) => box.height === tall).map((box) => box.top)
      expect(misfit(tops, even(height - tall))).toBeLessThan(2.5)
    }
  })
})

describe('draws', () => {
  test('below(n) is uniform, unit() is in [0, 1)', () => {
    const draws = rowDraws({ seed: 1, epoch: 2, row: 3, purpose: 'test' })
    for (const n of [1, 2, 3, 7, 64, 100]) {
      const found = Array.from({ length: 300 * n }, () => draws.below(n))
      const counts = Array.from({ length: n }, (_, i) => found.filter((x) => x === i).length)
      expect(found.length).toBe(counts.reduce((a, b) => a + b, 0))
      expect(counts.reduce((sum, c) => sum + (c - 300) ** 2 / 300, 0)).toBeLessThan(2 * n + 10)
    }
    const units = Array.from({ length: 10_000 }, () => draws.unit())
    expect(Math.min(...units)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...units)).toBeLessThan(1)
    expect(units.reduce((a, b) => a + b, 0) / units.length).toBeCloseTo(0.5, 2)
  })
  test('words that would bias remainders are drawn again', () => {
    // 2^32 = 3 * 1431655765 + 1: exactly one word, 0, is in excess.
    const words = [0, 5, 0xffffffff]
    const draws = drawsFrom(() => words.shift() ?? expect.unreachable())
    expect([draws.below(3), draws.below(3)]).toEqual([2, 0])
  })
  test('depend on seed, epoch, row and purpose', () => {
    const at = { seed: 1, epoch: 0, row: 0, purpose: 'crop' }
    const first = (position: typeof at) =>
      Array.from(
        { length: 9 },
        (
          (draws) => () =>
            draws.unit()
        )(rowDraws(position)),
      )
    expect(first(at)).toEqual(first(at))
    const all = [at, { ...at, seed: 2 }, { ...at, epoch: 1 }, { ...at, row: 1 }, { ...at, purpose: 'flip' }].map(first)
    expect(new Set(all.flat()).size).toBe(45)
  })
})
