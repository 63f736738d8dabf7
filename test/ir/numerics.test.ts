/** Rounding, random numbers, quantiles and initial values, compared with exact arithmetic, published vectors and each other. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fanOf, initialValues, type Initializer } from '../../src/ir/initializers.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { inverseNormal } from '../../src/ir/inverse-normal.ts'
import { parse } from '../../src/ir/parse.ts'
import { philox4x32, randomUniform, streamKey } from '../../src/ir/philox.ts'
import { formats, halfBits, halfFromBits, roundArray, roundTo, wrapInt32 } from '../../src/ir/rounding.ts'

const halves = ['float16', 'bfloat16'] as const

describe('rounding', () => {
  test.each(halves)('%s: all 65,536 bit patterns survive a round trip through numbers', (dtype) => {
    for (let bits = 0; bits < 65536; bits++) {
      const x = halfFromBits(dtype, bits)
      if (Number.isNaN(x)) expect(Number.isNaN(halfFromBits(dtype, halfBits(dtype, x)))).toBe(true)
      else {
        if (!Object.is(roundTo(dtype, x), x)) expect.fail(`${dtype} ${bits}: ${x} does not round to itself`)
        if (halfBits(dtype, x) !== bits) expect.fail(`${dtype} ${bits}: ${x} gives ${halfBits(dtype, x)}`)
      }
    }
  })

  // Independent of the implementation: adjacent numbers by bit pattern; the nearer one wins, and ties go to the even pattern. Exact, since all are
  // float64.
  test.each(halves)('%s: nearest neighbour, ties to even', (dtype) => {
    const overflow =
      formats[dtype].max + (formats[dtype].max - halfFromBits(dtype, halfBits(dtype, formats[dtype].max) - 1)) / 2
    const check = (x: number): void => {
      const got = roundTo(dtype, x)
      const a = Math.abs(x)
      if (a >= overflow) {
        expect(got).toBe(Math.sign(x) * Infinity)
        return
      }
      let [low, high] = [0, halfBits(dtype, formats[dtype].max)]
      while (low < high) {
        const mid = (low + high + 1) >> 1
        if (halfFromBits(dtype, mid) <= a) low = mid
        else high = mid - 1
      }
      const [below, above] = [
        halfFromBits(dtype, low),
        low === halfBits(dtype, formats[dtype].max) ? Infinity : halfFromBits(dtype, low + 1),
      ]
      const nearest = a - below < above - a ? below : a - below > above - a ? above : low % 2 === 0 ? below : above
      if (!Object.is(Math.abs(got), nearest) || (a > 0 && nearest > 0 && Math.sign(got) !== Math.sign(x)))
        expect.fail(`${x} gives ${got}, expected ${nearest}`)
    }
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        check(x)
      }),
    )
    fc.assert(
      fc.property(fc.nat(0x7bff), fc.constantFrom(-1, 0, 1), (bits, nudge) => {
        const middle = (halfFromBits(dtype, bits) + halfFromBits(dtype, bits + 1)) / 2
        if (Number.isFinite(middle)) check(middle * (1 + nudge * 2 ** -50))
      }),
    )
  })

  test('no double rounding: a number just above a tie of bfloat16 that float32 would round to the tie', () => {
    const x = 1 + 2 ** -8 + 2 ** -40
    expect(Math.fround(x)).toBe(1 + 2 ** -8)
    expect(roundTo('bfloat16', x)).toBe(1 + 2 ** -7)
    expect(roundTo('bfloat16', Math.fround(x))).toBe(1)
  })

  test('special values and float32', () => {
    for (const dtype of ['float32', 'float16', 'bfloat16'] as const) {
      expect([0, -0, Infinity, -Infinity, Number.NaN].map((x) => roundTo(dtype, x))).toEqual([
        0,
        -0,
        Infinity,
        -Infinity,
        Number.NaN,
      ])
    }
    expect([65504, 65519.999, 65520].map((x) => roundTo('float16', x))).toEqual([65504, 65504, Infinity])
    expect([2 ** -25, 2 ** -25 * 1.0001, -(2 ** -26)].map((x) => roundTo('float16', x))).toEqual([0, 2 ** -24, -0])
    expect(roundArray('float32', Float64Array.of(0.1, 1 / 3))).toEqual(
      Float64Array.of(Math.fround(0.1), Math.fround(1 / 3)),
    )
    expect([2 ** 31, -(2 ** 31) - 1, 2 ** 32 + 5].map(wrapInt32)).toEqual([-(2 ** 31), 2 ** 31 - 1, 5])
  })
})

describe('Philox 4x32-10', () => {
  // D. E. Shaw Research, Random123 1.14.0, tests/kat_vectors, the lines that start with `philox4x32 10`: counter, key, result.
  test.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('known answer %#', (counter, key, want) => {
    const [a = 0, b = 0, c = 0, d = 0] = counter
    expect([...philox4x32(a, b, c, d, key[0] ?? 0, key[1] ?? 0)]).toEqual(want)
  })

  const at = { seed: 1, stream: 'head/dropout', runIndex: 0, replica: 0, count: 1000 }
  test('prefixes agree; seed, stream, run and replica each change the numbers', () => {
    const base = randomUniform(at)
    expect(randomUniform({ ...at, count: 7 })).toEqual(base.slice(0, 7))
    for (const other of [
      { seed: 2 },
      { stream: 'head/dropout#1' },
      { runIndex: 1 },
      { runIndex: 2 ** 32 },
      { replica: 1 },
    ]) {
      const values = randomUniform({ ...at, ...other })
      expect(values.filter((v, i) => v === base[i]).length).toBeLessThan(3)
    }
  })
  test('24 bits in [0, 1), uniform', () => {
    const values = randomUniform({ ...at, count: 100_000 })
    expect(values.every((v) => v >= 0 && v < 1 && Number.isInteger(v * 2 ** 24))).toBe(true)
    const bins = new Array<number>(16).fill(0)
    for (const v of values) bins[Math.floor(v * 16)] = (bins[Math.floor(v * 16)] ?? 0) + 1
    const chi = bins.reduce((sum, n) => sum + (n - 6250) ** 2 / 6250, 0)
    expect(chi).toBeLessThan(45) // 15 degrees of freedom: 1 in 10,000 is 45; the seed is fixed
  })
  test('no two of 20,000 paths share a key', () => {
    const keys = new Set(
      Array.from({ length: 20_000 }, (_, i) => streamKey(`blocks.${i % 100}/part.${Math.floor(i / 100)}`)),
    )
    expect(keys.size).toBeGreaterThanOrEqual(19_999) // one pair among 2^32 keys is expected in 1 of 20 such lists
  })
  test('the op draws from its stream', () => {
    const { outputs } = interpret(
      parse('graph g { %r = randomUniform() {shape=[5], stream="s"} : float32[5] return r = %r }'),
      { seed: 9, runIndex: 4, replica: 2 },
    )
    expect(Float32Array.from(outputs['r']?.data ?? [])).toEqual(
      randomUniform({ seed: 9, stream: 's', runIndex: 4, replica: 2, count: 5 }),
    )
  })
})

describe('inverse normal', () => {
  test.each([
    [0.5, 0],
    [0.975, 1.959963984540054],
    [0.025, -1.959963984540054],
    [0.999, 3.090232306167813],
    [1e-10, -6.361340902404056],
    [1e-300, -37.0470962993612],
  ])('quantile %d', (p, x) => {
    expect(inverseNormal(p)).toBeCloseTo(x, 10)
  })
  test('inverts the distribution function made of erf', () => {
    const graph = parse(
      'graph g { %x = input() {name="x"} : float32[] %s = constant() {value=0.7071067811865476} : float32[] %z = mul(%x, %s) : float32[] %e = erf(%z) : float32[] return e = %e }',
    )
    const cdf = (x: number): number =>
      (1 + (interpret(graph, { inputs: { x: [x] }, mode: 'float64' }).outputs['e']?.data[0] ?? Number.NaN)) / 2
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true }), (p) => {
        expect(Math.abs(cdf(inverseNormal(p)) - p)).toBeLessThan(1e-13)
      }),
    )
  })
  test('ends and outside', () =>
    expect([0, 1, -0.1, 1.1, Number.NaN].map(inverseNormal)).toEqual([
      -Infinity,
      Infinity,
      Number.NaN,
      Number.NaN,
      Number.NaN,
    ]))
})

describe('initial values', () => {
  const at = { seed: 3, name: 'stem/conv/kernel' }
  const moments = (values: Float32Array) => {
    const mean = values.reduce((a, b) => a + b, 0) / values.length
    return {
      mean,
      deviation: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length),
      max: values.reduce((a, b) => Math.max(a, Math.abs(b)), 0),
    }
  }
  test('fans as Keras computes them', () => {
    expect(fanOf([3, 3, 16, 32], 'fanOut')).toBe(288)
    expect(fanOf([3, 3, 16, 32], 'fanIn')).toBe(144)
    expect(fanOf([5, 5, 48, 1], 'fanOut')).toBe(25)
    expect(fanOf([1280, 1000], 'fanAverage')).toBe(1140)
    expect(fanOf([7], 'fanIn')).toBe(7)
  })
  test.each<[string, Initializer, number, number]>([
    [
      'truncated normal keeps the wanted deviation and ends at two of the wider ones',
      { kind: 'varianceScaling', scale: 2, mode: 'fanOut', distribution: 'truncatedNormal' },
      Math.sqrt(2 / 1600),
      (2 / 0.8796256610342398) * Math.sqrt(2 / 1600),
    ],
    ['normal', { kind: 'varianceScaling', scale: 1, mode: 'fanIn', distribution: 'normal' }, Math.sqrt(1 / 800), 1],
    [
      'uniform by fan',
      { kind: 'varianceScaling', scale: 1 / 3, mode: 'fanOut', distribution: 'uniform' },
      Math.sqrt(1 / 3 / 1600),
      Math.sqrt(1 / 1600),
    ],
    ['uniform', { kind: 'uniform', min: -2, max: 2 }, 4 / Math.sqrt(12), 2],
  ])('%s', (_name, init, deviation, bound) => {
    const got = moments(initialValues(init, [2, 4, 100, 200], at))
    expect(Math.abs(got.mean)).toBeLessThan(0.01 * deviation * 2)
    expect(got.deviation / deviation).toBeGreaterThan(0.99)
    expect(got.deviation / deviation).toBeLessThan(1.01)
    expect(got.max).toBeLessThanOrEqual(bound * (1 + 1e-6))
  })
  test('by seed and name, and constants', () => {
    const init: Initializer = { kind: 'normal', stddev: 1 }
    expect(initialValues(init, [9], at)).toEqual(initialValues(init, [9], at))
    expect(initialValues(init, [9], { ...at, name: 'other' })).not.toEqual(initialValues(init, [9], at))
    expect(initialValues(init, [9], { ...at, seed: 4 })).not.toEqual(initialValues(init, [9], at))
    expect(initialValues({ kind: 'ones' }, [2], at)).toEqual(Float32Array.of(1, 1))
    expect(initialValues({ kind: 'constant', value: 0.5 }, [2], at)).toEqual(Float32Array.of(0.5, 0.5))
    expect(initialValues({ kind: 'zeros' }, [], at)).toEqual(Float32Array.of(0))
  })
})
