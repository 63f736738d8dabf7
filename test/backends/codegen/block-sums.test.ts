/** Long sums of generated code are off by no more than a sum of a few terms, whatever their length is. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import type { Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { defaultSchedule } from '../../../src/backends/codegen/loops/default-schedule.ts'
import { mergeKernelAxes } from '../../../src/backends/codegen/loops/merge-axes.ts'
import type { Schedule } from '../../../src/backends/codegen/loops/schedule.ts'
import { parse } from '../../../src/ir/parse.ts'
import { webAssembly } from './kernel-backend.ts'

const u = 2 ** -24

const kernelFor = (shape: readonly number[], axes: readonly number[]) =>
  mergeKernelAxes(
    kernelOf(
      parse(`graph g {
  %0 = input() {name="x"} : float32[${shape}]
  %1 = reduceSum(%0) {axes=[${axes.join(', ')}]} : float32[${shape.filter((_, axis) => !axes.includes(axis))}]
  return y = %1
}`),
    ).kernel,
  )

/** The sums over the rows of [rows,columns]. */
const sumsOf = (
  x: Float32Array<ArrayBuffer>,
  columns: number,
  scheduleOf: (phase: Phase) => Schedule = defaultSchedule,
): ArrayLike<number> => {
  const kernel = kernelFor([x.length / columns, columns], [0])
  return webAssembly(scheduleOf)(kernel, new Map([[0, x]]), () => 0)[1] ?? []
}

/** In float64 by deviations from the first, so that the sum is as good as exact. */
const exactSum = (column: readonly number[]): number => {
  const [first = 0] = column
  return column.reduce((sum, x) => sum + (x - first), 0) + first * column.length
}

/** Of a block of 8 terms, of their sum's last addition, and of what those lose of second order. */
const boundOf = (rows: number): number => (rows <= 16 ? rows : 9.01) * u

const numbers = fc.record({
  rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 100, max: 4000 })),
  columns: fc.constantFrom(1, 3, 4, 23),
  mean: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  deviation: fc.constantFrom(0, 0.1, 30),
})

const made = ({ rows, columns, mean, deviation }: { rows: number; columns: number; mean: number; deviation: number }) =>
  Float32Array.from({ length: rows * columns }, (_, i) => mean + deviation * Math.sin(i * 1.7))

const worst = (x: Float32Array<ArrayBuffer>, columns: number, got: ArrayLike<number>): number =>
  Math.max(
    ...Array.from({ length: columns }, (_, c) => {
      const column = Array.from(x).filter((_x, i) => i % columns === c)
      const size = column.reduce((sum, v) => sum + Math.abs(v), 0)
      return size === 0 ? 0 : Math.abs((got[c] ?? Number.NaN) - exactSum(column)) / size
    }),
  )

test('a sum of any length is off by the roundings of one block', () => {
  fc.assert(
    fc.property(numbers, (drawn) => {
      const x = made(drawn)
      expect(worst(x, drawn.columns, sumsOf(x, drawn.columns))).toBeLessThanOrEqual(boundOf(drawn.rows))
    }),
    { numRuns: 60 },
  )
})

test('the bound tells: a sum term by term breaks it', () => {
  const x = made({ rows: 3000, columns: 4, mean: 654321.123, deviation: 0 })
  const plain = sumsOf(x, 4, (phase) => ({ ...defaultSchedule(phase), block: 0 }))
  expect(worst(x, 4, plain)).toBeGreaterThan(2 * boundOf(3000))
})

describe('what is not finite', () => {
  const rows = 100
  const withAt = (places: { readonly [at: number]: number }, other = 1): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length: rows }, (_, i) => places[i] ?? other)
  test.each([
    ['an infinity stays', withAt({ 3: Infinity }), Infinity],
    ['of both signs it is none', withAt({ 3: Infinity, 90: -Infinity }), Number.NaN],
    ['NaN stays', withAt({ 50: Number.NaN }), Number.NaN],
    ['what is too large becomes infinite', withAt({}, 3e38), Infinity],
    ['what is too small becomes minus infinity', withAt({}, -3e38), -Infinity],
  ])('%s', (_, x, want) => {
    expect(sumsOf(x, 1)[0]).toBe(want)
  })
})

test.each([
  ['a sum of 17 rows', [17, 4], [0], 8],
  ['one of 16', [16, 4], [0], 0],
  ['one of 5 by 7 pixels', [2, 5, 7, 8], [1, 2], 8],
])('%s: the size of its blocks', (_, shape, axes, block) => {
  const [phase] = kernelFor(shape, axes).phases as [Phase]
  expect(defaultSchedule(phase).block).toBe(block)
})

test('contractions add term by term', () => {
  const { kernel } = kernelOf(
    parse(`graph g {
  %0 = input() {name="x"} : float32[8,64]
  %1 = input() {name="w"} : float32[64,8]
  %2 = matmul(%0, %1) {} : float32[8,8]
  return y = %2
}`),
  )
  expect(kernel.phases.map((phase) => defaultSchedule(phase).block)).toEqual([0])
})
