/** Checks the arguments of schedules: of objects written by hand and of those that the functions make. */
import { type Check, isFloat32, flag } from '../../ir/check-record.ts'
import { EffuseError, showGiven } from '../../ir/diagnostics.ts'
import type { Schedule } from './schedules.ts'

const isPositive = (v: unknown): boolean => isFloat32(v) && Math.fround(Number(v)) > 0
/** `step` is an int32, so it never reaches larger values. */
const isStep = (v: unknown): boolean => Number.isInteger(v) && Number(v) >= 0 && Number(v) < 2 ** 31
/** Negative rates would increase the loss. */
const isRate = (v: unknown): boolean => isFloat32(v) && v >= 0
const isAscending = (list: readonly number[]): boolean => list.every((v, i) => i === 0 || v > (list[i - 1] ?? 0))

const finite: Check = ['a finite float32 number', isFloat32]
const rate: Check = ['a finite float32 number of at least 0', isRate]
const positive: Check = ['a positive number', isPositive]
const steps: Check = ['a positive integer', (v) => isStep(v) && Number(v) > 0]

const checks: {
  readonly [K in Schedule['kind']]: {
    readonly [A in Exclude<keyof Extract<Schedule, { kind: K }>, 'kind' | 'after'>]: Check
  }
} = {
  constant: { value: rate },
  cosine: { initial: rate, steps: positive },
  linearCosine: { initial: rate, steps: positive, alpha: rate, beta: rate, numPeriods: finite },
  exponential: {
    initial: rate,
    rate: positive,
    every: positive,
    staircase: flag,
  },
  piecewise: {
    boundaries: [
      'ascending integers from 0 to 2147483647',
      (v) => Array.isArray(v) && v.every(isStep) && isAscending(v),
    ],
    values: ['a list of finite float32 numbers of at least 0', (v) => Array.isArray(v) && v.every(isRate)],
  },
  warmup: { steps }, // and `after`, which is a schedule itself
  shifted: { by: ['an integer', (v) => Number.isInteger(v) && Math.abs(Number(v)) < 2 ** 31] },
}

/** The schedule itself. @throws EffuseError EF403, which names the argument, the expected and the given value. */
export const checkedSchedule = (schedule: Schedule): Schedule => {
  const kind: unknown = (schedule as { readonly kind?: unknown } | null | undefined)?.kind // a caller may not use types
  if (typeof kind !== 'string' || !Object.hasOwn(checks, kind))
    throw wrong(
      `a learning rate is a number or a schedule (${Object.keys(checks).join(', ')}), got ${showGiven(schedule)}`,
      'learningRate: 0.1, or cosine({ initial: 0.1, steps: 10000 })',
    )
  const known: { readonly [name: string]: Check } = checks[schedule.kind]
  const given = new Map<string, unknown>(Object.entries(schedule))
  for (const [name, [expects, accepts]] of Object.entries(known))
    if (!accepts(given.get(name)))
      throw wrong(
        `${titleOf(schedule, name)} must be ${expects}, got ${showNumbers(given.get(name))}`,
        hintFor(name, given.get(name)),
      )
  if (schedule.kind === 'piecewise' && schedule.values.length !== schedule.boundaries.length + 1) {
    const count = schedule.boundaries.length
    throw wrong(
      `a piecewise schedule of ${count} boundaries needs ${count + 1} values, got ${schedule.values.length}`,
      'the first value is that before the first boundary',
    )
  }
  if (schedule.kind === 'warmup' || schedule.kind === 'shifted') checkedSchedule(schedule.after)
  return schedule
}

/** A constant rate is written as a number. */
const titleOf = ({ kind }: Schedule, name: string): string =>
  kind === 'constant' ? 'a learning rate' : `"${name}" of ${kind}()`

/** Like showGiven, but shows NaN and the infinities, which JSON writes as null and which are often the fault. */
const showNumbers = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map(showGiven).join(', ')}]` : showGiven(value)

const stepArguments: ReadonlySet<string> = new Set(['steps', 'every', 'by', 'boundaries'])

const hintFor = (name: string, given: unknown): string | undefined => {
  if (stepArguments.has(name)) return 'schedules count in steps: epochs * steps per epoch'
  return [given].flat().some((v) => typeof v === 'number' && v < 0)
    ? 'an update already subtracts the gradient: give a positive rate, 0.1 instead of -0.1'
    : undefined
}

const wrong = (message: string, hint: string | undefined): EffuseError =>
  new EffuseError({ code: 'EF403', message, hint })
