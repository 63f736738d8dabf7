/**
 * The initial values of every variable of EfficientNet-B0 compared with the reference: variance scaling over fan-out, truncated normal with scale 2
 * for convolutions, uniform with scale 1/3 for the dense layer; identity norms and zero biases. Tests moments, bounds, and the Kolmogorov-Smirnov
 * distance to the distribution function.
 */
import { describe, expect, test } from 'vitest'
import { variablesOf } from '../../src/ir/graph.ts'
import { type Initializer, initialValues } from '../../src/ir/initializers.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'

/** erf by its Taylor series, for |x| up to 2.2. Its last terms are below 1e-16 of the sum. */
const erf = (x: number): number => {
  let [term, sum] = [x, x]
  for (let n = 1; n < 50; n++) {
    term *= -(x * x) / n
    sum += term / (2 * n + 1)
  }
  return (2 / Math.sqrt(Math.PI)) * sum
}
const normal = (x: number): number => (1 + erf(x / Math.SQRT2)) / 2
/** The standard deviation of a standard normal variable truncated at -2 and 2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)). */
const cutDeviation = Math.sqrt(1 - (4 * Math.exp(-2)) / Math.sqrt(2 * Math.PI) / (2 * normal(2) - 1))

interface Distribution {
  readonly deviation: number
  readonly end: number
  readonly below: (x: number) => number
}
/** A normal variable truncated at two standard deviations, scaled so that the result has the given deviation. */
const cutNormal = (deviation: number): Distribution => {
  const wide = deviation / cutDeviation
  return {
    deviation,
    end: 2 * wide,
    below: (x) => (normal(x / wide) - normal(-2)) / (normal(2) - normal(-2)),
  }
}
const even = (end: number): Distribution => ({
  deviation: end / Math.sqrt(3),
  end,
  below: (x) => (x / end + 1) / 2,
})

/** Each bound has an error probability of one in a million. Seeds are fixed. */
const expectDrawnFrom = (name: string, values: Float32Array, { deviation, end, below }: Distribution): void => {
  const n = values.length
  const mean = values.reduce((sum, v) => sum + v, 0) / n
  const square = values.reduce((sum, v) => sum + v * v, 0) / n
  const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  const fault = (what: string, got: number, bound: number) =>
    got <= bound ? [] : [`${name}: ${what} is ${got}, at most ${bound} is expected`]
  const sorted = Float32Array.from(values).sort()
  let distance = 0
  sorted.forEach((x, i) => {
    const p = below(x)
    distance = Math.max(distance, p - i / n, (i + 1) / n - p)
  })
  expect([
    ...fault('the mean', Math.abs(mean), (4.9 * deviation) / Math.sqrt(n)),
    // The fourth moment is below 3, that of the normal distribution.
    ...fault('the variance, relatively,', Math.abs(square / deviation ** 2 - 1), 4.9 * Math.sqrt(2 / n)),
    ...fault('the largest value', largest, end * (1 + 2 ** -23)),
    ...fault('the distance of Kolmogorov and Smirnov', distance, 2.7 / Math.sqrt(n)),
  ]).toEqual([])
  // Truncated at `end`, not earlier: among many values some are close to it.
  if (n > 10_000) expect(largest).toBeGreaterThan(0.99 * end)
}

test('the standard deviation of the truncated normal equals the constant of Keras', () => {
  expect(cutDeviation).toBeCloseTo(0.87962566103423978, 14)
})

describe('EfficientNet-B0', () => {
  const variables = variablesOf(efficientNet('b0', { resolution: 32 }).at({ batch: 1 }))
  const valuesOf = (suffix: string, seed: number) =>
    variables.flatMap(({ attrs: { name, init }, types }) => {
      const shape = types[0]?.shape ?? []
      return name.endsWith(suffix) ? [{ name, shape, values: initialValues(init, shape, { seed, name }) }] : []
    })
  test('all convolutions: variance 2 / fan-out, truncated at two standard deviations', () => {
    const kernels = valuesOf('/kernel', 1).filter(({ name }) => name !== 'head/dense/kernel')
    expect(kernels.length).toBe(81)
    for (const { name, shape, values } of kernels) {
      const [kh = 0, kw = 0, , last = 0] = shape
      // A depthwise kernel [k,k,C,1] counts as one filter, as in Keras.
      expectDrawnFrom(name, values.subarray(0, 20_000), cutNormal(Math.sqrt(2 / (kh * kw * last))))
    }
  })
  test('all kernels together, in units of their standard deviation', () => {
    for (const seed of [0, 2]) {
      const units = valuesOf('/kernel', seed)
        .filter(({ name }) => name !== 'head/dense/kernel')
        .flatMap(({ shape, values }) => {
          const unit = Math.sqrt(2 / ((shape[0] ?? 0) * (shape[1] ?? 0) * (shape[3] ?? 0)))
          return [...values.subarray(0, 2000)].map((v) => v / unit)
        })
      expect(units.length).toBeGreaterThan(90_000)
      expectDrawnFrom(`seed ${seed}`, Float32Array.from(units), cutNormal(1))
    }
  })
  test('the dense layer: uniform, variance 1 / (3 fan-out), so up to 1 / sqrt(classes)', () => {
    const [dense] = valuesOf('head/dense/kernel', 1)
    expect(dense?.shape).toEqual([1280, 1000])
    expectDrawnFrom('head/dense/kernel', dense?.values ?? new Float32Array(), even(1 / Math.sqrt(1000)))
  })
  test.each([
    ['/bias', 33, 0],
    ['/offset', 49, 0],
    ['/mean', 49, 0],
    ['/scale', 49, 1],
    ['/variance', 49, 1],
  ] as const)('%s: %d of them, all %d', (suffix, count, value) => {
    const found = valuesOf(suffix, 1)
    expect(found.length).toBe(count)
    expect(found.every(({ values }) => values.every((v) => v === value))).toBe(true)
  })
  test('no variable equals another one, not even up to scale', () => {
    const kernels = valuesOf('/kernel', 1)
    const ratios = kernels.map(({ values: [first = 0, a = 0, c = 0, d = 0] }) =>
      [a, c, d].map((v) => (v / first).toFixed(3)).join(),
    )
    expect(new Set(ratios).size).toBe(kernels.length)
  })
})

describe('every initializer', () => {
  const at = { seed: 11, name: 'w' }
  const shape = [3, 3, 40, 250]
  const scaled = (mode: 'fanIn' | 'fanOut' | 'fanAverage', distribution: 'truncatedNormal' | 'normal' | 'uniform') =>
    ({ kind: 'varianceScaling', scale: 1.5, mode, distribution }) as const
  const whole = (deviation: number): Distribution => ({
    deviation,
    end: Infinity,
    below: (x) => (Math.abs(x / deviation) < 3 ? normal(x / deviation) : x < 0 ? 0 : 1),
  })
  test.each<[string, Initializer, Distribution]>([
    ['uniform', { kind: 'uniform', min: -0.5, max: 0.5 }, even(0.5)],
    ['normal', { kind: 'normal', stddev: 0.3 }, whole(0.3)],
    ...(['fanIn', 'fanOut', 'fanAverage'] as const).flatMap((mode): [string, Initializer, Distribution][] => {
      const fan = { fanIn: 9 * 40, fanOut: 9 * 250, fanAverage: 9 * 145 }[mode]
      const deviation = Math.sqrt(1.5 / fan)
      return [
        [`${mode}, truncated normal`, scaled(mode, 'truncatedNormal'), cutNormal(deviation)],
        [`${mode}, normal`, scaled(mode, 'normal'), whole(deviation)],
        [`${mode}, uniform`, scaled(mode, 'uniform'), even(deviation * Math.sqrt(3))],
      ]
    }),
  ])('%s', (name, init, distribution) => {
    const values = initialValues(init, shape, at)
    if (distribution.end === Infinity) {
      const largest = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
      // Among 90,000 values of an untruncated normal distribution, one beyond 4 deviations is expected.
      expect(largest).toBeGreaterThan(3.9 * distribution.deviation)
      expectDrawnFrom(name, values, { ...distribution, end: largest })
    } else expectDrawnFrom(name, values, distribution)
  })
  test('a variable that is initialized from another has its values', () => {
    const init: Initializer = { kind: 'normal', stddev: 1 }
    expect(initialValues({ kind: 'sameAs', name: 'w', init }, [50], { seed: 11, name: 'ema/w' })).toEqual(
      initialValues(init, [50], at),
    )
  })
})
