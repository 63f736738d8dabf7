/** Resizing: equal to TensorFlow's two filters, and the laws of a weighted mean. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type PixelGrid, resample, rounded } from '../../src/pixels/resample.ts'

const golden: {
  readonly cases: readonly {
    readonly from: readonly [number, number]
    readonly to: readonly [number, number]
    readonly picture: readonly number[]
    readonly bilinear: readonly number[]
    readonly triangle: readonly number[]
  }[]
} = JSON.parse(readFileSync(new URL('../goldens/data/resize.json', import.meta.url), 'utf8'))

const filters = ['bilinear', 'triangle'] as const
const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? Number.NaN))), 0)

describe.each(filters)('%s', (filter) => {
  test.each(golden.cases)('as TensorFlow: $from to $to', ({ from: [height, width], to, picture, ...expected }) => {
    const out = resample({ width, height, channels: 2, data: Uint8Array.from(picture) }, to, filter)
    expect(out.length).toBe(expected[filter].length)
    expect(worst(out, expected[filter])).toBeLessThan(1e-3) // the golden has three decimals, TensorFlow seven digits
  })

  const side = fc.integer({ min: 1, max: 40 })
  const grids = fc
    .tuple(side, side, fc.constantFrom(1, 3))
    .chain(([width, height, channels]) =>
      fc
        .uint8Array({ minLength: width * height * channels, maxLength: width * height * channels })
        .map((data): PixelGrid => ({ width, height, channels, data })),
    )
  const sizes = fc.tuple(side, side)

  test('gives its own size back unchanged', () => {
    fc.assert(
      fc.property(grids, (grid) => {
        expect(rounded(resample(grid, [grid.height, grid.width], filter))).toEqual(grid.data)
      }),
    )
  })
  test('stays between the darkest and the brightest, and keeps one colour as it is', () => {
    fc.assert(
      fc.property(grids, sizes, (grid, size) => {
        const out = resample(grid, size, filter)
        const [least, most] = [Math.min(...grid.data), Math.max(...grid.data)]
        expect(out.every((x) => x > least - 1e-4 && x < most + 1e-4)).toBe(true)
        const flat = resample({ ...grid, data: grid.data.map(() => 77) }, size, filter)
        expect(
          worst(
            flat,
            flat.map(() => 77),
          ),
        ).toBeLessThan(1e-4)
      }),
    )
  })
  test('treats rows and columns alike: transposing before or after is the same', () => {
    const transposed = (data: ArrayLike<number>, height: number, width: number): Float32Array =>
      Float32Array.from({ length: data.length }, (_, i) => data[(i % height) * width + Math.floor(i / height)] ?? 0)
    fc.assert(
      fc.property(
        grids.filter(({ channels }) => channels === 1),
        sizes,
        (grid, [height, width]) => {
          const { data, ...shape } = grid
          const turned = { ...shape, width: shape.height, height: shape.width }
          const [before, after] = [
            resample(
              { ...turned, data: Uint8Array.from(transposed(data, shape.height, shape.width)) },
              [width, height],
              filter,
            ),
            transposed(resample(grid, [height, width], filter), height, width),
          ]
          expect(worst(before, after)).toBeLessThan(1e-3)
        },
      ),
    )
  })
})

test('only the triangle is the same mirrored, and keeps the mean where the sides divide', () => {
  const mirrored = (data: ArrayLike<number>): number[] => Array.from(data).reverse()
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 30 }), (data, to) => {
      const row = (values: Uint8Array) =>
        resample({ width: values.length, height: 1, channels: 1, data: values }, [1, to], 'triangle')
      expect(worst(row(Uint8Array.from(mirrored(data))), mirrored(row(data)))).toBeLessThan(1e-3)
    }),
  )
  const data = Uint8Array.from([0, 100, 200, 40])
  expect([...resample({ width: 4, height: 1, channels: 1, data }, [1, 2], 'bilinear')]).toEqual([0, 200])
  // Weights 3, 3, 1 of 7 from the left, half a pixel, one and a half, two and a half from the centre; and the same from the right.
  expect(
    worst(resample({ width: 4, height: 1, channels: 1, data }, [1, 2], 'triangle'), [500 / 7, (100 + 600 + 120) / 7]),
  ).toBeLessThan(1e-4)
})
