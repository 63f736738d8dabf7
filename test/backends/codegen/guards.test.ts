/** The part of an axis where all bounds checks hold, against an enumeration of its positions; and the pieces that an axis is divided into. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { interiorOf } from '../../../src/backends/codegen/loops/guards.ts'
import { piecesOf } from '../../../src/backends/codegen/loops/pieces.ts'
import { plainSchedule } from '../../../src/backends/codegen/loops/schedule.ts'

interface Drawn {
  readonly offset: number
  readonly stride: number
  readonly tap: number
  readonly size: number
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  offset: fc.integer({ min: -40, max: 40 }),
  stride: fc.constantFrom(1, 2, 3, -1, -2),
  tap: fc.constantFrom(0, 1, -1, 2),
  size: fc.integer({ min: 1, max: 12 }),
})

/** A sum over the second axis of elements that are loaded where the coordinates are in bounds. */
const phaseOf = (rows: number, taps: number, loads: readonly Drawn[]): Phase => ({
  axes: [rows, taps],
  parallel: 1,
  exprs: loads.map(({ offset, stride, tap, size }, buffer) => ({
    kind: 'load',
    buffer,
    coordinates: [
      {
        at: {
          kind: 'linear',
          offset,
          terms: [{ axis: 0, stride }, ...(tap === 0 ? [] : [{ axis: 1, stride: tap }])],
          divisor: 1,
        },
        size,
      },
    ],
    fill: 0,
    dtype: 'float32',
  })),
  accumulators: [{ monoid: 'sum', axes: [1], factors: loads.map((_, i) => i), guard: null, dtype: 'float32' }],
  stores: [],
})

test('the interior has exactly the positions whose loads are all in bounds, and lies on the axis', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(drawn, { minLength: 1, maxLength: 3 }),
      (rows, taps, loads) => {
        const phase = phaseOf(rows, taps, loads)
        const [first, end] = interiorOf(phase, 0)
        expect([first >= 0, first <= end, end <= rows]).toEqual([true, true, true])
        const isInside = (row: number): boolean =>
          loads.every(({ offset, stride, tap, size }) =>
            Array.from({ length: taps }, (_, k) => offset + stride * row + tap * k).every((at) => at >= 0 && at < size),
          )
        const inside = Array.from({ length: rows }, (_, row) => row).filter(isInside)
        expect(Array.from({ length: end - first }, (_, i) => first + i)).toEqual(inside)
      },
    ),
    { numRuns: 500 },
  )
})

test('the pieces of an axis cover each of its positions once', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(drawn, { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 8 }),
      (rows, taps, loads, tile) => {
        const pieces = piecesOf(phaseOf(rows, taps, loads), 0, { ...plainSchedule, rowAxis: 0, rows: tile })
        const covered = pieces.flatMap(({ start, count, length }) =>
          Array.from({ length: count * length }, (_, i) => start + i),
        )
        expect(covered).toEqual(Array.from({ length: rows }, (_, row) => row))
      },
    ),
    { numRuns: 500 },
  )
})
