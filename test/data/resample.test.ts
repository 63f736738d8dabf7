/** Resizing: both implementations equal Pillow's and TensorFlow's filters; also the laws of a weighted mean. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Box, cutBox, wholeBox } from '../../src/pixels/box.ts'
import { type PixelGrid, resized } from '../../src/pixels/resample.ts'
import { fastTriangle } from '../../src/pixels/resample-fast.ts'
import { resampleKernels } from '../../src/pixels/resample-kernels.ts'
import { plainTriangle } from '../../src/pixels/resample-plain.ts'
import { triangleTaps } from '../../src/pixels/taps.ts'

const goldenOf = <T>(name: string): { readonly cases: readonly T[] } =>
  JSON.parse(readFileSync(new URL(`../goldens/data/${name}.json`, import.meta.url), 'utf8'))
const tensorflow = goldenOf<{
  readonly from: readonly [number, number]
  readonly to: readonly [number, number]
  readonly picture: readonly number[]
  readonly bilinear: readonly number[]
  readonly triangle: readonly number[]
}>('resize')
const pillow = goldenOf<{
  readonly picture: readonly [width: number, height: number]
  readonly box: readonly [left: number, top: number, width: number, height: number]
  readonly size: readonly [width: number, height: number]
  /** Rows first, then columns. */
  readonly rgb: string
  /** One call of Pillow 13, if it resizes columns first. */
  readonly direct?: string
}>('pillow')

const filters = ['bilinear', 'triangle'] as const
const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] ?? Number.NaN))), 0)
const whole = ({ width, height }: PixelGrid): Box => wholeBox(width, height)

/** The picture of scripts/goldens/make_pillow.py. */
const noise = (width: number, height: number): PixelGrid => {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const value = (i * 7919 + (i >> 3) * 104729 + ((i * i) % 251)) % 256
    const x = Math.floor(i / 3) % width
    return value % 5 === 0 ? Math.floor((x * 255) / Math.max(1, width - 1)) : value
  })
  return { width, height, channels: 3, data }
}
const triangleJob = (source: PixelGrid, box: Box, [height, width]: readonly [number, number], isMirrored = false) => ({
  source,
  box,
  across: triangleTaps(box.width, width, isMirrored),
  down: triangleTaps(box.height, height),
})

test.each(pillow.cases)("triangle, as Pillow's to the bit: $picture, $box, to $size", (golden) => {
  const { picture, box, size, rgb, direct = rgb } = golden
  const source = noise(...picture)
  const [left, top, width, height] = box
  const expected = [...Buffer.from(rgb, 'base64')]
  const to = [size[1], size[0]] as const
  const job = triangleJob(source, { left, top, width, height }, to)
  expect([...plainTriangle(job)]).toEqual(expected)
  expect([...(fastTriangle(job) ?? [])]).toEqual(expected)
  expect(
    worst(resized(source, job.box, to, { filter: 'triangle' }), Buffer.from(direct, 'base64')),
  ).toBeLessThanOrEqual(1)
})

test('the fast triangle filter is available, and equals the plain one in every bit', () => {
  expect(resampleKernels()).not.toBeNull()
  const side = fc.integer({ min: 1, max: 70 })
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(
      side,
      side,
      fc.tuple(share, share, share, share),
      side,
      side,
      fc.boolean(),
      (w, h, at, height, width, m) => {
        const [a = 0, b = 0] = [at[0] * (w - 1), at[1] * (w - 1)].map(Math.floor).sort((x, y) => x - y)
        const [c = 0, d = 0] = [at[2] * (h - 1), at[3] * (h - 1)].map(Math.floor).sort((x, y) => x - y)
        const job = triangleJob(
          noise(w, h),
          { left: a, top: c, width: b - a + 1, height: d - c + 1 },
          [height, width],
          m,
        )
        expect(fastTriangle(job)).toEqual(plainTriangle(job))
      },
    ),
  )
})

test('a result that needs more memory than one piece is computed in pieces', () => {
  for (const [source, size] of [
    [noise(300, 400), [40, 9000]],
    [noise(3, 4000), [3900, 1500]],
    [noise(4000, 300), [2, 3]],
  ] as const) {
    const job = triangleJob(source, whole(source), size)
    expect(Buffer.compare(fastTriangle(job) ?? Buffer.of(), plainTriangle(job))).toBe(0)
  }
})

describe.each(filters)('%s', (filter) => {
  test.each(tensorflow.cases)('as TensorFlow: $from to $to', ({ from: [height, width], to, picture, ...expected }) => {
    const source = { width, height, channels: 2, data: Uint8Array.from(picture) }
    const out = resized(source, whole(source), to, { filter })
    expect(out.length).toBe(expected[filter].length)
    // The golden has three decimals. The bilinear filter rounds once, the triangle once in each direction.
    expect(worst(out, expected[filter])).toBeLessThanOrEqual((filter === 'bilinear' ? 0.5 : 1) + 1e-3)
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

  test('returns the picture unchanged for its own size', () => {
    fc.assert(
      fc.property(grids, (grid) => {
        expect(resized(grid, whole(grid), [grid.height, grid.width], { filter })).toEqual(grid.data)
      }),
    )
  })
  test('stays between the darkest and the brightest value, and keeps a constant color', () => {
    fc.assert(
      fc.property(grids, sizes, (grid, size) => {
        const out = resized(grid, whole(grid), size, { filter })
        const [least, most] = [Math.min(...grid.data), Math.max(...grid.data)]
        expect(out.every((x) => x >= least && x <= most)).toBe(true)
        const flat = resized({ ...grid, data: grid.data.map(() => 77) }, whole(grid), size, { filter })
        expect(flat.every((x) => x === 77)).toBe(true)
      }),
    )
  })
  test('treats rows and columns equally: it commutes with transposition', () => {
    const transposed = (data: Uint8Array, height: number, width: number): Uint8Array =>
      Uint8Array.from({ length: data.length }, (_, i) => data[(i % height) * width + Math.floor(i / height)] ?? 0)
    fc.assert(
      fc.property(
        grids.filter(({ channels }) => channels === 1),
        sizes,
        (grid, [height, width]) => {
          const turned = {
            ...{ channels: 1, width: grid.height, height: grid.width },
            data: transposed(grid.data, grid.height, grid.width),
          }
          const before = resized(turned, whole(turned), [width, height], { filter })
          const after = transposed(resized(grid, whole(grid), [height, width], { filter }), height, width)
          expect(worst(before, after)).toBeLessThanOrEqual(1) // rounded in another order
        },
      ),
    )
  })
  test('reads no pixels outside of its box', () => {
    fc.assert(
      fc.property(grids, sizes, fc.boolean(), ({ width, height, ...grid }, size, isMirrored) => {
        const box = {
          left: Math.floor(width / 3),
          top: Math.floor(height / 4),
          width: Math.ceil(width / 2),
          height: Math.ceil(height / 2),
        }
        const source = { ...grid, width, height }
        const cut = { ...grid, width: box.width, height: box.height, data: cutBox(source, box) }
        const options = { filter, isMirrored }
        expect(resized(source, box, size, options)).toEqual(resized(cut, whole(cut), size, options))
      }),
    )
  })
  test('mirrors after the triangle filter, and before the bilinear filter', () => {
    const flopped = (data: Uint8Array, width: number, channels: number): Uint8Array =>
      data.map((_, i) => {
        const [pixel, c] = [Math.floor(i / channels), i % channels]
        return data[(Math.floor(pixel / width) * width + width - 1 - (pixel % width)) * channels + c] ?? 0
      })
    fc.assert(
      fc.property(grids, sizes, (grid, size) => {
        const found = resized(grid, whole(grid), size, { filter, isMirrored: true })
        const before = { ...grid, data: flopped(grid.data, grid.width, grid.channels) }
        const expected =
          filter === 'bilinear'
            ? resized(before, whole(grid), size, { filter })
            : flopped(resized(grid, whole(grid), size, { filter }), size[1], grid.channels)
        expect(found).toEqual(expected)
      }),
    )
  })
})

test('weights are those of the filter’s definition', () => {
  const data = Uint8Array.from([0, 100, 200, 40])
  const row = { width: 4, height: 1, channels: 1, data }
  expect([...resized(row, whole(row), [1, 2], { filter: 'bilinear' })]).toEqual([0, 200])
  // The weights are 3, 3 and 1 of 7 from the left, at distances of 0.5, 1.5 and 2.5 pixels from the center. From the right it is symmetric.
  expect([...resized(row, whole(row), [1, 2], { filter: 'triangle' })]).toEqual(
    [500 / 7, (100 + 600 + 120) / 7].map(Math.round),
  )
})
