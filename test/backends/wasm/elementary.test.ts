/** The error bounds of elementary functions on vectors against float64, over all exponents of float32, and densely near 0. */
import { setFlagsFromString } from 'node:v8'
import { describe, expect, test } from 'vitest'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { plainSchedule } from '../../../src/backends/codegen/loops/schedule.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { parse } from '../../../src/ir/parse.ts'
import { webAssembly } from '../codegen/kernel-backend.ts'

const size = 1 << 17

/** Every 32768th bit pattern, displaced by a hash: 512 numbers for each sign and exponent. */
const allExponents = new Float32Array(
  Uint32Array.from({ length: size }, (_, i) => i * 32768 + (Math.imul(i, 2654435761) >>> 17)).buffer,
)
const nearZero = Float32Array.from({ length: size }, (_, i) => ((i + 0.5) / size - 0.5) * 240)

// Node 20 has relaxed SIMD behind a flag.
if (process.versions.v8.startsWith('11.3.')) setFlagsFromString('--experimental-wasm-relaxed-simd')

const machineWith = (relaxedSimd: boolean) =>
  webAssembly(() => ({ ...plainSchedule, vectorAxis: 0 }), undefined, relaxedSimd)
const machines = { SIMD: machineWith(false), 'relaxed SIMD': machineWith(true) } as const

type Op = 'exp' | 'expm1' | 'log' | 'log1p' | 'softplus' | 'sigmoid' | 'tanh' | 'erf' | 'elu' | 'selu'

const bodies: { readonly [name: string]: string } = {
  silu: `%s = sigmoid(%x) : float32[${size}] %y = mul(%x, %s) : float32[${size}]`,
}

const resultsOn = (on: keyof typeof machines, name: string, x: Float32Array<ArrayBuffer>): ArrayLike<number> => {
  const body = bodies[name] ?? `%y = ${name}(%x) : float32[${size}]`
  const { kernel } = kernelOf(parse(`graph g { %x = input() {name="x"} : float32[${size}] ${body} return y = %y }`))
  return machines[on](kernel, new Map([[0, x]]), () => 0)[1] as ArrayLike<number>
}

const exact = (name: string, x: Float32Array): Float64Array => {
  const type = { dtype: 'float32', shape: [x.length] } as const
  const { evalRef } = opDef(name as Op) as { evalRef(args: object): readonly Float64Array[] }
  return evalRef({ inputs: [{ ...type, data: Float64Array.from(x) }], attrs: {}, types: [type] })[0] as Float64Array // one result
}

/** The distance between adjacent float32 numbers at a number. */
const unitAt = (x: number): number => 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x))), -126) - 23)

const largest = (2 - 2 ** -23) * 2 ** 127

/** Where the exact result is not representable in float32, the result must be that infinity or NaN. */
const expectSpecials = (name: string, x: Float32Array, got: ArrayLike<number>, want: Float64Array): void => {
  want.forEach((value, i) => {
    if (Number.isNaN(value) || Math.abs(value) > largest) {
      const rounded = Math.fround(value)
      if (!Object.is(got[i], rounded)) throw new Error(`${name}(${x[i]}) is ${got[i]}, expected ${rounded}`)
    }
  })
}

describe.each(['SIMD', 'relaxed SIMD'] as const)('on %s', (on) => {
  const results = (name: string, x: Float32Array<ArrayBuffer>) => resultsOn(on, name, x)

  describe.each([
    ['exp', 2],
    ['expm1', 2],
    ['log', 2],
    ['log1p', 4],
    ['softplus', 4],
    ['tanh', 5],
    ['erf', 2],
    ['elu', 2],
    ['selu', 3],
  ] as const)('%s', (name, bound) => {
    test.each([
      ['all exponents', allExponents],
      ['numbers from -120 to 120', nearZero],
    ])(`has an error of at most ${bound} ulp for %s`, (_, x) => {
      const [got, want] = [results(name, x), exact(name, x)]
      expectSpecials(name, x, got, want)
      let worst = 0
      want.forEach((value, i) => {
        if (Math.abs(value) <= largest && value !== 0)
          worst = Math.max(worst, Math.abs((got[i] as number) - value) / unitAt(value))
      })
      expect(worst).toBeLessThan(bound)
    })
  })

  describe.each(['sigmoid', 'silu'])('%s', (name) => {
    test.each([
      ['all exponents', allExponents],
      ['numbers from -120 to 120', nearZero],
    ])('has a relative error below (8 + |x|) 2^-23 for x >= -87, and is close to 0 below, for %s', (_, x) => {
      const [got, want] = [results(name, x), exact(name, x)]
      expectSpecials(name, x, got, want)
      let worst = 0
      x.forEach((value, i) => {
        const [result, expected] = [got[i] as number, want[i] as number]
        if (!Number.isFinite(value)) return
        if (value < -87) expect(Math.abs(result)).toBeLessThan(2e-36)
        else if (Math.abs(expected) >= 2 ** -126)
          worst = Math.max(worst, Math.abs(result - expected) / Math.abs(expected) / (8 + Math.abs(value)))
      })
      expect(worst).toBeLessThan(2 ** -23)
    })

    test('has the right limits at infinities, and keeps NaN of any sign and payload', () => {
      const words = new Uint32Array(size).fill(0x7fc00000)
      words.set([0x7f800000, 0xff800000, 0x7f800001, 0xff8abcde, 0x7fffffff, 0xffffffff])
      const got = results(name, new Float32Array(words.buffer))
      expect(got[0]).toBe(name === 'silu' ? Infinity : 1)
      expect(got[1]).toBe(name === 'silu' ? Number.NaN : 0)
      expect(Array.from(got).slice(2)).toEqual(new Array(size - 2).fill(Number.NaN))
    })
  })
})
