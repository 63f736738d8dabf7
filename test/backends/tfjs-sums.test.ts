/** The windows by which tfjs's pools sum long rows. */
import { expect, test } from 'vitest'
import { poolingFor } from '../../src/backends/tfjs/lower/sums.ts'

const channels = 64
const lengths = Array.from({ length: 600 }, (_, i) => 16 + i * 7)

test('the window is the longest one of 16 to 96 rows that leaves no rows over', () => {
  let found = 0
  for (const reduced of lengths) {
    const divisors = Array.from({ length: 81 }, (_, i) => 96 - i).filter((window) => reduced % window === 0)
    const pooling = poolingFor({ outer: 300, reduced, inner: channels })
    if (divisors[0] === undefined || pooling?.channels !== channels) continue
    found++
    expect(pooling).toEqual({ height: reduced, channels, window: divisors[0], rows: reduced / divisors[0] })
  }
  expect(found).toBeGreaterThan(200)
})

test.each([
  [1009, 64, 15], // a prime: 49 rows are left over
  [61, 61, 1],
  [4096, 64, 64],
])('%i rows are summed in windows of %i', (reduced, window, rows) => {
  expect(poolingFor({ outer: 300, reduced, inner: channels })).toMatchObject({ window, rows })
})

test('few numbers, or short rows, are not pooled', () => {
  expect(poolingFor({ outer: 1, reduced: 16, inner: 64 })).toBeNull()
  expect(poolingFor({ outer: 300, reduced: 15, inner: 64 })).toBeNull()
})
