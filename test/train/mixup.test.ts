/** Mixup: the distribution of its weights, and its effect on rows. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawBeta } from '../../src/train/beta.ts'
import { makeFeeder } from '../../src/train/feeder.ts'
import { mixColumn, mixupShares } from '../../src/train/mixup.ts'
import { float32, int32 } from '../../src/ir/value.ts'

const place = { epoch: 0, batch: 0 }

describe('Beta(alpha, alpha)', () => {
  const count = 20_000
  const draws = (alpha: number): readonly number[] =>
    Array.from({ length: count }, (_, row) => drawBeta(alpha, { seed: 3, stream: 'mixup', ...place, row }))
  test.each([0.01, 0.2, 0.4, 1, 2.5])('alpha %s: moments and quartiles', (alpha) => {
    const x = draws(alpha)
    const mean = x.reduce((sum, v) => sum + v, 0) / count
    const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / count
    // Five standard errors of each.
    const expected = 1 / (4 * (2 * alpha + 1))
    expect(Math.abs(mean - 0.5)).toBeLessThan(5 * Math.sqrt(expected / count))
    expect(Math.abs(variance / expected - 1)).toBeLessThan(0.05)
    expect(x.every((v) => v >= 0 && v <= 1)).toBe(true)
  })
  test('alpha 1 is uniform: Kolmogorov and Smirnov', () => {
    const sorted = [...draws(1)].sort((a, b) => a - b)
    const distance = Math.max(...sorted.map((v, i) => Math.max(Math.abs(v - i / count), Math.abs(v - (i + 1) / count))))
    expect(distance).toBeLessThan(1.63 / Math.sqrt(count)) // 1 %
  })
  test('alpha 0.2 has the probability of its distribution function below 0.1', () => {
    // I_0.1(0.2, 0.2), by the series x^a / (a B(a,a)) * sum (1-a)_n x^n / (n! (a+n)) * a, summed in the test.
    const [a, x] = [0.2, 0.1]
    const lnGamma = (z: number): number => {
      // Stirling's formula after a shift, accurate to 1e-10.
      let shift = 0
      let at = z
      while (at < 20) shift -= Math.log(at++)
      return shift + (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + 1 / (12 * at) - 1 / (360 * at ** 3)
    }
    let [term, sum] = [1, 0]
    for (let n = 0; n < 60; n++) {
      sum += term / (a + n)
      term *= ((n + 1 - a) * x) / (n + 1)
    }
    const wanted = (x ** a * sum) / Math.exp(2 * lnGamma(a) - lnGamma(2 * a))
    const share = draws(a).filter((v) => v < x).length / count
    expect(Math.abs(share - wanted)).toBeLessThan(5 * Math.sqrt((wanted * (1 - wanted)) / count))
  })
  test('depends only on seed, epoch, batch and row', () => {
    const at = { seed: 1, stream: 'mixup', epoch: 2, batch: 3, row: 4 }
    expect(drawBeta(0.2, at)).toBe(drawBeta(0.2, { ...at }))
    for (const other of [{ seed: 2 }, { epoch: 3 }, { batch: 4 }, { row: 5 }, { stream: 'other' }])
      expect(drawBeta(0.2, { ...at, ...other })).not.toBe(drawBeta(0.2, at))
  })
})

describe('rows', () => {
  test('each is blended with the opposite row, keeps the larger share, and preserves sums', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 5 }),
        fc.double({ min: 0.01, max: 4, noNaN: true }),
        fc.nat(1000),
        (rows, size, alpha, seed) => {
          const shares = mixupShares(rows, { alpha, seed, ...place })
          const column = Float32Array.from({ length: rows * size }, (_, i) => (i * 37) % 256)
          const mixed = mixColumn(column, shares)
          expect(shares.every((share) => share >= 0.5 && share <= 1)).toBe(true)
          mixed.forEach((value, i) => {
            const [row, column_] = [Math.floor(i / size), i % size]
            const share = shares[row] ?? 0
            const mirror = column[(rows - 1 - row) * size + column_] ?? 0
            expect(value).toBeCloseTo(share * (column[i] ?? 0) + (1 - share) * mirror, 3)
          })
        },
      ),
    )
  })
  test('indices become distributions, blended like the pictures; a short batch is padded', () => {
    const feeder = makeFeeder({
      inputs: { image: float32('batch', 2), label: float32('batch', 3) },
      batch: 3,
      classes: 3,
    })
    const columns = { image: Uint8Array.of(10, 20, 30, 40), label: Int32Array.of(0, 2) }
    expect(feeder.feed(columns, place)).toEqual({
      rows: 2,
      feeds: { image: Uint8Array.of(10, 20, 30, 40, 0, 0), label: Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0) },
    })
    const mixup = { alpha: 0.4, seed: 1, ...place }
    const [a = 0, b = 0] = mixupShares(2, mixup)
    const { feeds } = feeder.feed(columns, place, mixup)
    ;[a, 0, 1 - a, 1 - b, 0, b].forEach((wanted, i) => expect(feeds['label']?.[i]).toBeCloseTo(wanted, 6))
    expect(feeds['image']?.[0]).toBeCloseTo(10 * a + 30 * (1 - a), 4)
    expect(feeder.feed(columns, place, { ...mixup, alpha: 0 })).toEqual(feeder.feed(columns, place))
  })
  test('indices stay indices if the loss needs them', () => {
    const feeder = makeFeeder({ inputs: { image: float32('batch', 1), label: int32('batch') }, batch: 2, classes: 3 })
    const columns = { image: Uint8Array.of(1, 2), label: Uint8Array.of(2, 1) }
    expect(feeder.feed(columns, place)).toEqual({ rows: 2, feeds: columns })
  })
  test('inputs that are not one row per picture cannot be fed by a loop', () => {
    expect(() => makeFeeder({ inputs: { table: float32(3, 4) }, batch: 2, classes: 1 })).toThrow(
      /the first dimension of each input must be the batch, and only the first; the input "table" is \[3,4\]/,
    )
  })
})
