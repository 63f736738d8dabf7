/** Learning rates: host and graph compared with an independent implementation (scripts/goldens/make_schedules.py), and checks of arguments. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import type { Executable } from '../../src/executable/executable.ts'
import { Builder } from '../../src/ir/build.ts'
import { graph } from '../../src/ir/model.ts'
import { mean, mul } from '../../src/ir/functions.ts'
import { interpret, type Mode } from '../../src/ir/interpret.ts'
import * as nn from '../../src/ir/nn.ts'
import { float32, int32, type TensorType } from '../../src/ir/value.ts'
import { loss } from '../../src/passes/train/losses.ts'
import { adam, adamw, rmsprop, sgd } from '../../src/passes/train/optimizers.ts'
import {
  cosine,
  emitSchedule,
  exponential,
  linearCosine,
  piecewise,
  type Schedule,
  scheduleAt,
  warmup,
} from '../../src/passes/train/schedules.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { withTensorflow } from '../support/tensorflow.ts'

interface Case {
  readonly name: string
  readonly schedule: Schedule
  readonly rates: readonly (readonly [step: number, rate: number])[]
}
const { cases }: { readonly cases: readonly Case[] } = JSON.parse(
  readFileSync(new URL('../goldens/training/schedules.json', import.meta.url), 'utf8'),
)

const inGraph = (schedule: Schedule, step: number, mode: Mode): number => {
  const b = new Builder('rate')
  const rate = emitSchedule(schedule, b.input('step', { dtype: 'int32', shape: [] }))
  return interpret(b.finish({ rate }), { inputs: { step: [step] }, mode }).outputs['rate']?.data[0] ?? Number.NaN
}

/** The largest possible rate: float32 errors are relative to it where a curve decreases to 0. */
const peakOf = (schedule: Schedule): number => {
  switch (schedule.kind) {
    case 'constant':
      return Math.abs(schedule.value)
    case 'piecewise':
      return Math.max(...schedule.values.map(Math.abs))
    case 'linearCosine':
      return Math.abs(schedule.initial) * (1 + Math.abs(schedule.alpha) + Math.abs(schedule.beta))
    case 'warmup':
    case 'shifted':
      return peakOf(schedule.after)
    default:
      return Math.abs(schedule.initial)
  }
}

describe('goldens', () => {
  test('there are cases of every kind except the constant', () => {
    const kinds = new Set(cases.flatMap(({ schedule: s }) => (s.kind === 'warmup' ? [s.kind, s.after.kind] : [s.kind])))
    expect([...kinds].sort()).toEqual(['cosine', 'exponential', 'linearCosine', 'piecewise', 'warmup'])
  })
  test.each(cases)('$name', ({ schedule, rates }) => {
    for (const [step, rate] of rates) {
      const peak = peakOf(schedule)
      expect(Math.abs(scheduleAt(schedule, step) - rate)).toBeLessThan(1e-14 * peak)
      expect(Math.abs(inGraph(schedule, step, 'float64') - rate)).toBeLessThan(1e-13 * peak)
      expect(Math.abs(inGraph(schedule, step, 'declared') - rate)).toBeLessThan(1e-6 * peak)
    }
  })

  describe.each(['wasm', 'tfjs-wasm', 'tfjs-cpu', ...withTensorflow] as const)('%s', (backend) => {
    const model = graph('rates', { step: int32() }, ({ step }) =>
      Object.fromEntries(cases.map(({ schedule }, i) => [`rate${i}`, emitSchedule(schedule, step)])),
    )
    let net: Executable<{ step: TensorType<'int32', 0> }, { [name: string]: TensorType<'float32', 0> }>
    beforeAll(async () => {
      net = (await compile(model, { backend })) as unknown as typeof net // rates are float32 scalars
    })
    test('the same rates', async () => {
      for (const [i, { schedule, rates }] of cases.entries()) {
        for (const [step, rate] of rates) {
          const results = await net.run({ step })
          const got = (await results[`rate${i}`]?.item()) ?? Number.NaN
          expect(Math.abs(got - rate)).toBeLessThan(1e-6 * peakOf(schedule))
          for (const result of Object.values(results)) result.dispose()
        }
      }
      net.dispose()
    })
  })
})

describe('the graph and the host give the same rates', () => {
  const rate = fc.integer({ min: 1, max: 1000 }).map((n) => n / 1000)
  const steps = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 24 }))
  const { schedule } = fc.letrec<{ schedule: Schedule }>((tie) => ({
    schedule: fc.oneof(
      { depthSize: 'small' },
      rate.map((value): Schedule => ({ kind: 'constant', value })),
      fc.record({ initial: rate, steps }).map(cosine),
      fc
        .record({
          initial: rate,
          steps,
          alpha: rate,
          beta: rate,
          numPeriods: fc.integer({ min: 1, max: 6 }).map((n) => n / 2),
        })
        .map(linearCosine),
      // `every` is an integer: with a fraction, float32 may place the end of a stair one step early or late.
      fc.record({ initial: rate, rate, every: steps, staircase: fc.boolean() }).map(exponential),
      fc
        .uniqueArray(fc.nat(2 ** 31 - 1), { minLength: 0, maxLength: 4 })
        .chain((boundaries) =>
          fc
            .array(rate, { minLength: boundaries.length + 1, maxLength: boundaries.length + 1 })
            .map((values) => piecewise({ boundaries: boundaries.sort((a, b) => a - b), values })),
        ),
      fc.tuple(tie('schedule'), steps).map(([then, n]) => warmup(then, { steps: n })),
      // Only shifts to the past, so that no position is negative.
      fc.tuple(tie('schedule'), fc.nat(300)).map(([after, by]): Schedule => ({ kind: 'shifted', by, after })),
    ),
  }))
  /** Steps at which a schedule changes, and adjacent ones. */
  const marksOf = (s: Schedule): readonly number[] => {
    switch (s.kind) {
      case 'constant':
        return []
      case 'piecewise':
        return s.boundaries
      case 'exponential':
        return [s.every, 3 * s.every]
      case 'warmup':
        return [s.steps, ...marksOf(s.after).map((mark) => mark + s.steps)]
      case 'shifted':
        return marksOf(s.after).map((mark) => mark - s.by)
      default:
        return [s.steps]
    }
  }
  const tolerance = (s: Schedule, step: number): number => {
    if (s.kind === 'warmup') return tolerance(s.after, Math.max(0, step - s.steps)) + 4e-7 * peakOf(s)
    if (s.kind === 'shifted') return tolerance(s.after, step + s.by)
    // exp(x) and cos(x) have the error of x.
    const argument =
      s.kind === 'exponential'
        ? Math.min(100, Math.abs(Math.log(s.rate)) * (step / s.every))
        : s.kind === 'linearCosine'
          ? 2 * Math.PI * s.numPeriods
          : 1
    return 4e-7 * peakOf(s) * Math.max(1, argument)
  }
  const isStaircase = (s: Schedule): boolean =>
    s.kind === 'warmup' || s.kind === 'shifted' ? isStaircase(s.after) : s.kind === 'exponential' && s.staircase
  test('for random schedules, at random steps and around every boundary', () => {
    fc.assert(
      fc.property(schedule, fc.nat(2 ** 31 - 1), fc.nat(2 ** 12), (s, far, near) => {
        const beside = marksOf(s).flatMap((mark) => [mark - 1, mark, mark + 1])
        for (const step of [0, near, far, ...beside]) {
          if (step < 0 || step >= 2 ** 31 - 2 ** 14 || (isStaircase(s) && step >= 2 ** 24)) continue
          const [got, want] = [inGraph(s, step, 'declared'), scheduleAt(s, step)]
          if (!(Math.abs(got - want) <= tolerance(s, step)))
            expect.fail(`${JSON.stringify(s)} at ${step}: ${got} in the graph, ${want} on the host`)
        }
      }),
      { numRuns: 300 },
    )
  })
  test('beyond 2^24 boundaries are still exact, and curves are accurate within the float32 precision of the step', () => {
    const at = 2 ** 24 + 1 // not representable in float32
    const jump = piecewise({ boundaries: [at], values: [1, 0.5] })
    expect([at - 1, at].map((step) => inGraph(jump, step, 'declared'))).toEqual([1, 0.5])
    const late = warmup(piecewise({ boundaries: [1], values: [1, 0.5] }), { steps: at })
    expect([at - 1, at, at + 1].map((step) => inGraph(late, step, 'declared'))).toEqual([1 - 2 ** -24, 1, 0.5])
    const long = cosine({ initial: 1, steps: 2 ** 30 })
    for (const step of [2 ** 24 + 1, 2 ** 29 + 3, 2 ** 30 - 5])
      expect(Math.abs(inGraph(long, step, 'declared') - scheduleAt(long, step))).toBeLessThan(4e-7)
  })
})

describe('in a training step', () => {
  const linear = graph('linear', { x: float32('batch', 2) }, ({ x }) => ({
    y: nn.dense(x, { name: 'dense', units: 1 }),
  }))
  test.each(['reference', 'wasm', 'tfjs-wasm', ...withTensorflow] as const)(
    '%s: uses the rate of the step, and increments the step',
    async (backend) => {
      const at = 2 ** 24 + 1
      const learningRate = piecewise({ boundaries: [at], values: [0.5, 0.25] })
      const step = trainingStep(linear, {
        loss: loss({}, ({ y }) => mean(mul(y, y))),
        optimizer: sgd({ learningRate }),
      })
      using net = await compile(step, { backend, batch: 2 })
      await net.variables.set('step', [at - 1])
      const rates: number[] = []
      for (let n = 0; n < 2; n++)
        rates.push(
          await (
            await net.run({
              x: [
                [1, 2],
                [3, 4],
              ],
            })
          ).learningRate.item(),
        )
      expect(rates).toEqual([0.5, 0.25])
      expect(await net.variables.get('step', 'int32')).toEqual(Int32Array.of(at + 1))
      // After its largest number an int32 wraps around.
      await net.variables.set('step', [2 ** 31 - 1])
      expect(
        await (
          await net.run({
            x: [
              [1, 2],
              [3, 4],
            ],
          })
        ).learningRate.item(),
      ).toBe(0.25)
      expect(await net.variables.get('step', 'int32')).toEqual(Int32Array.of(-(2 ** 31)))
    },
  )
})

describe('arguments', () => {
  const bad = (name: string, make: () => unknown, message: string) => ({ name, make, message })
  test.each([
    bad('steps of 0', () => cosine({ initial: 1, steps: 0 }), '"steps" of cosine() must be a positive number, got 0'),
    bad(
      'a negative rate',
      () => sgd({ learningRate: -0.1 }),
      'a learning rate must be a finite float32 number of at least 0, got -0.1',
    ),
    bad(
      'a negative initial rate',
      () => linearCosine({ initial: -1, steps: 5 }),
      '"initial" of linearCosine() must be a finite float32 number of at least 0, got -1',
    ),
    bad(
      'a negative rate among others',
      () => piecewise({ boundaries: [1], values: [1, -1] }),
      '"values" of piecewise() must be a list of finite float32 numbers of at least 0, got [1, -1]',
    ),
    bad(
      'a shift by half a step',
      () => sgd({ learningRate: { kind: 'shifted', by: 0.5, after: cosine({ initial: 1, steps: 5 }) } }),
      '"by" of shifted() must be an integer, got 0.5',
    ),
    bad(
      'an initial rate of NaN',
      () => cosine({ initial: Number.NaN, steps: 1 }),
      '"initial" of cosine() must be a finite float32 number of at least 0, got NaN',
    ),
    bad(
      'a rate beyond float32',
      () => cosine({ initial: 1e39, steps: 1 }),
      '"initial" of cosine() must be a finite float32 number of at least 0, got 1e+39',
    ),
    bad(
      'text',
      () => cosine({ initial: '0.1' as unknown as number, steps: 1 }),
      '"initial" of cosine() must be a finite float32 number of at least 0, got "0.1"',
    ),
    bad(
      'negative steps',
      () => linearCosine({ initial: 1, steps: -5 }),
      '"steps" of linearCosine() must be a positive number, got -5',
    ),
    bad(
      'infinite periods',
      () => linearCosine({ initial: 1, steps: 5, numPeriods: Infinity }),
      '"numPeriods" of linearCosine() must be a finite float32 number, got Infinity',
    ),
    bad(
      'a decay of 0, whose logarithm is infinite',
      () => exponential({ initial: 1, rate: 0, every: 5 }),
      '"rate" of exponential() must be a positive number, got 0',
    ),
    bad(
      'every 0 steps',
      () => exponential({ initial: 1, rate: 0.9, every: 0 }),
      '"every" of exponential() must be a positive number, got 0',
    ),
    bad(
      'boundaries out of order',
      () => piecewise({ boundaries: [5, 3], values: [1, 2, 3] }),
      '"boundaries" of piecewise() must be ascending integers from 0 to 2147483647, got [5, 3]',
    ),
    bad(
      'a boundary twice',
      () => piecewise({ boundaries: [3, 3], values: [1, 2, 3] }),
      '"boundaries" of piecewise() must be ascending integers from 0 to 2147483647, got [3, 3]',
    ),
    bad(
      'a fractional boundary',
      () => piecewise({ boundaries: [1.5], values: [1, 2] }),
      '"boundaries" of piecewise() must be ascending integers from 0 to 2147483647, got [1.5]',
    ),
    bad(
      'a negative boundary',
      () => piecewise({ boundaries: [-1], values: [1, 2] }),
      '"boundaries" of piecewise() must be ascending integers from 0 to 2147483647, got [-1]',
    ),
    bad(
      'a value of NaN',
      () => piecewise({ boundaries: [1], values: [1, Number.NaN] }),
      '"values" of piecewise() must be a list of finite float32 numbers of at least 0, got [1, NaN]',
    ),
    bad(
      'a value too few',
      () => piecewise({ boundaries: [1], values: [1] }),
      'a piecewise schedule of 1 boundaries needs 2 values, got 1',
    ),
    bad(
      'a warm-up of 0 steps',
      () => warmup(cosine({ initial: 1, steps: 5 }), { steps: 0 }),
      '"steps" of warmup() must be a positive integer, got 0',
    ),
    bad(
      'a warm-up of half a step',
      () => warmup(0.1, { steps: 2.5 }),
      '"steps" of warmup() must be a positive integer, got 2.5',
    ),
    bad(
      'a warm-up to NaN',
      () => warmup(Number.NaN, { steps: 5 }),
      'a learning rate must be a finite float32 number of at least 0, got NaN',
    ),
    ...([rmsprop, sgd, adam, adamw] as const).map((optimizer) =>
      bad(
        `a rate of NaN for ${optimizer.name}`,
        () => optimizer({ learningRate: Number.NaN }),
        'a learning rate must be a finite float32 number of at least 0, got NaN',
      ),
    ),
    bad(
      'a schedule written by hand',
      () => sgd({ learningRate: { kind: 'warmup', steps: 5, after: { kind: 'cosine', initial: 1, steps: 0 } } }),
      '"steps" of cosine() must be a positive number, got 0',
    ),
    bad(
      'no schedule at all',
      () => sgd({ learningRate: { kind: 'cosin', initial: 1 } as unknown as Schedule }),
      'a learning rate is a number or a schedule (constant, cosine, linearCosine, exponential, piecewise, warmup, shifted), got {"kind":"cosin","initial":1}',
    ),
    bad(
      'null',
      () => sgd({ learningRate: null as unknown as Schedule }),
      'a learning rate is a number or a schedule (constant, cosine, linearCosine, exponential, piecewise, warmup, shifted), got null',
    ),
  ])('$name is an error', ({ make, message }) => {
    expect(make).toThrow(expect.objectContaining({ code: 'EF403', message }))
  })
  test.each<readonly [string, () => unknown, unknown]>([
    [
      'a negative rate',
      () => sgd({ learningRate: -1 }),
      expect.stringMatching(/^an update already subtracts the gradient/),
    ],
    ['NaN', () => sgd({ learningRate: Number.NaN }), undefined],
    ['steps of 0', () => cosine({ initial: 1, steps: 0 }), expect.stringMatching(/^schedules count in steps/)],
    ['a text', () => sgd({ learningRate: '0.1' as never }), expect.stringMatching(/^learningRate: 0\.1, or cosine/)],
  ])('the hint for %s fits', (_, make, hint) => {
    expect(make).toThrow(expect.objectContaining({ code: 'EF403', hint }))
  })
  test('omitted and undefined options have their defaults', () => {
    expect(linearCosine({ initial: 1, steps: 5, alpha: undefined })).toEqual({
      kind: 'linearCosine',
      initial: 1,
      steps: 5,
      alpha: 0,
      beta: 0.001,
      numPeriods: 0.5,
    })
    expect(exponential({ initial: 1, rate: 0.9, every: 2, staircase: undefined })).toMatchObject({ staircase: true })
    expect(warmup(0.1, { steps: 5 })).toEqual({ kind: 'warmup', steps: 5, after: { kind: 'constant', value: 0.1 } })
  })
})
