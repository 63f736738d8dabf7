/**
 * Learning rates as plain data, evaluated inside the graph from the int32 variable `step`, which counts from 0. Steps are compared and subtracted
 * as integers, so every boundary is exact. Only positions on a curve are float32: exact up to step 2^24, beyond that with a relative error of
 * at most 2^-24. Arguments are checked by check-schedule.ts.
 */
import type { Value } from '../../ir/value.ts'
import { checkedSchedule } from './check-schedule.ts'

export type Schedule =
  | { readonly kind: 'constant'; readonly value: number }
  /** From `initial` to 0 along half a cosine. */
  | { readonly kind: 'cosine'; readonly initial: number; readonly steps: number }
  /** initial * ((alpha + linear) * cosine + beta), linear falling from 1 to 0 over `steps`, the cosine with `numPeriods` periods in the same steps. */
  | {
      readonly kind: 'linearCosine'
      readonly initial: number
      readonly steps: number
      readonly alpha: number
      readonly beta: number
      readonly numPeriods: number
    }
  /** initial * rate^(step / every), with `staircase` in whole steps of `every`. */
  | {
      readonly kind: 'exponential'
      readonly initial: number
      readonly rate: number
      readonly every: number
      readonly staircase: boolean
    }
  /** values[i] below boundaries[i]; from the last boundary on, the last value. */
  | { readonly kind: 'piecewise'; readonly boundaries: readonly number[]; readonly values: readonly number[] }
  /** Linear from 0 to the initial rate of `after`, over `steps`; then `after`, with steps counted from there. */
  | { readonly kind: 'warmup'; readonly steps: number; readonly after: Schedule }
  /** `after` at step + by. fit() uses it if the step and the schedule's position differ (a resumed run with another batch). */
  | { readonly kind: 'shifted'; readonly by: number; readonly after: Schedule }

/** The learning rate of an optimizer; a number is a constant rate. */
export type Rate = number | Schedule

/** Checks either form and returns a schedule. @throws EffuseError EF403 */
export const scheduleOf = (rate: Rate): Schedule =>
  checkedSchedule(typeof rate === 'number' ? { kind: 'constant', value: rate } : rate)

/**
 * From `initial` to 0 along half a cosine over `steps`, then 0.
 *
 * @throws EffuseError EF403 (`steps` not positive, `initial` negative or not finite).
 * @example
 * warmup(cosine({ initial: 0.016, steps: 10000 }), { steps: 500 })
 */
export const cosine = (of: { readonly initial: number; readonly steps: number }): Schedule =>
  checkedSchedule({ kind: 'cosine', ...of })

/**
 * TensorFlow's `linear_cosine_decay` (Bello et al. 2017, "Neural Optimizer Search with Reinforcement Learning"):
 * initial * ((alpha + linear) * cosine + beta) with linear = (steps - t) / steps, cosine = (1 + cos(2 pi numPeriods t / steps)) / 2 and
 * t = min(step, steps). More aggressive than `cosine`: larger initial rates can be used.
 *
 * @throws EffuseError EF403 (`steps` not positive, another argument not finite, a rate negative).
 * @example
 * linearCosine({ initial: 0.032, steps: 10000 }) // ends at 0.001 of the initial rate
 */
export const linearCosine = ({
  alpha = 0,
  beta = 0.001,
  numPeriods = 0.5,
  ...of
}: {
  readonly initial: number
  readonly steps: number
  /** Default 0. */
  readonly alpha?: number | undefined
  /** The rate at the end, as a share of `initial`; default 0.001. */
  readonly beta?: number | undefined
  /** Default 0.5: from 1 down to 0. */
  readonly numPeriods?: number | undefined
}): Schedule => checkedSchedule({ kind: 'linearCosine', ...of, alpha, beta, numPeriods })

/**
 * initial * rate^(step / every), by default in whole steps of `every`, which need not be an integer.
 *
 * @throws EffuseError EF403 (`every` or `rate` not positive, `initial` negative or not finite).
 * @example
 * exponential({ initial: 0.016, rate: 0.97, every: 2.4 * 1251 }) // staircase: 0.97 every 2.4 epochs of 1251 steps
 */
export const exponential = ({
  staircase = true,
  ...of
}: {
  readonly initial: number
  readonly rate: number
  readonly every: number
  /** Default true. */
  readonly staircase?: boolean | undefined
}): Schedule => checkedSchedule({ kind: 'exponential', ...of, staircase })

/**
 * values[i] below boundaries[i]; from the last boundary on, the last value. There is one value more than boundaries.
 *
 * @throws EffuseError EF403 (boundaries not ascending integers of at least 0, values negative, not finite or of another number).
 * @example
 * piecewise({ boundaries: [1000, 5000], values: [0.1, 0.01, 0.001] })
 */
export const piecewise = (of: {
  readonly boundaries: readonly number[]
  readonly values: readonly number[]
}): Schedule => checkedSchedule({ kind: 'piecewise', ...of })

/**
 * Linear from 0 to the initial rate of `after`, over `steps`; then `after`, with steps counted from there.
 *
 * @throws EffuseError EF403 (`steps` not a positive integer).
 * @example
 * warmup(piecewise({ boundaries: [1000], values: [0.1, 0.01] }), { steps: 100 })
 */
export const warmup = (after: Rate, of: { readonly steps: number }): Schedule =>
  checkedSchedule({ kind: 'warmup', ...of, after: scheduleOf(after) })

/** The rate at a step, on the host in float64: for logs, and as an independent implementation to test `emitSchedule`. */
export const scheduleAt = (schedule: Schedule, step: number): number => {
  switch (schedule.kind) {
    case 'constant':
      return schedule.value
    case 'cosine':
      return (schedule.initial * (1 + Math.cos((Math.PI * Math.min(step, schedule.steps)) / schedule.steps))) / 2
    case 'linearCosine': {
      const { initial, steps, alpha, beta, numPeriods } = schedule
      const t = Math.min(step, steps)
      const cos = (1 + Math.cos((Math.PI * 2 * numPeriods * t) / steps)) / 2
      return initial * ((alpha + (steps - t) / steps) * cos + beta)
    }
    case 'exponential': {
      const times = step / schedule.every
      return schedule.initial * schedule.rate ** (schedule.staircase ? Math.floor(times) : times)
    }
    case 'piecewise':
      return schedule.values[schedule.boundaries.filter((b) => step >= b).length] ?? Number.NaN
    case 'warmup':
      return step < schedule.steps
        ? (scheduleAt(schedule.after, 0) * step) / schedule.steps
        : scheduleAt(schedule.after, step - schedule.steps)
    case 'shifted':
      return scheduleAt(schedule.after, step + schedule.by)
  }
}

/** The rate as a float32 scalar. @param step int32 scalar. */
export const emitSchedule = (schedule: Schedule, step: Value): Value => {
  const b = step.builder
  const number = (value: number): Value => b.splat(value, { dtype: 'float32', shape: [] })
  const position = (): Value => b.cast(step, 'float32')
  switch (schedule.kind) {
    case 'constant':
      return number(schedule.value)
    case 'cosine':
      return b.mul(b.add(emitCosine(step, schedule.steps, 0.5), 1), schedule.initial / 2)
    case 'linearCosine': {
      const { initial, steps, alpha, beta, numPeriods } = schedule
      const linear = b.sub(1, b.div(b.minimum(position(), steps), steps))
      const cos = b.mul(b.add(emitCosine(step, steps, numPeriods), 1), 0.5)
      return b.mul(b.add(b.mul(b.add(linear, alpha), cos), beta), initial)
    }
    case 'exponential': {
      const times = b.div(position(), schedule.every)
      return b.mul(
        b.exp(b.mul(schedule.staircase ? b.unary('floor', times) : times, Math.log(schedule.rate))),
        schedule.initial,
      )
    }
    case 'piecewise':
      return schedule.boundaries.reduce(
        (rate, boundary, i) => b.select(b.compare('ge', step, boundary), number(schedule.values[i + 1] ?? 0), rate),
        number(schedule.values[0] ?? 0),
      )
    case 'warmup': {
      const rising = b.mul(position(), scheduleAt(schedule.after, 0) / schedule.steps)
      const left = b.maximum(b.sub(step, schedule.steps), 0)
      return b.select(b.compare('lt', step, schedule.steps), rising, emitSchedule(schedule.after, left))
    }
    case 'shifted':
      return emitSchedule(schedule.after, b.add(step, schedule.by))
  }
}

/** cos(2 pi periods t / steps), t = min(step, steps). */
const emitCosine = (step: Value, steps: number, periods: number): Value => {
  const b = step.builder
  return b.unary('cos', b.mul(b.minimum(b.cast(step, 'float32'), steps), (2 * Math.PI * periods) / steps))
}
