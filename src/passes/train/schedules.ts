/** Learning rates as plain data, evaluated inside the graph from the variable `step`. Steps count from 0. */
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Value } from '../../ir/value.ts'

export type Schedule =
  | { readonly kind: 'constant'; readonly value: number }
  /** From `initial` to 0 along half a cosine. */
  | { readonly kind: 'cosine'; readonly initial: number; readonly steps: number }
  /** initial * rate^(step / every), in whole steps of `every` where `staircase`. */
  | {
      readonly kind: 'exponential'
      readonly initial: number
      readonly rate: number
      readonly every: number
      readonly staircase: boolean
    }
  /** values[i] below boundaries[i], the last value from the last boundary on. */
  | { readonly kind: 'piecewise'; readonly boundaries: readonly number[]; readonly values: readonly number[] }
  /** Linearly from 0 to what `then` starts with, over `steps`; then `then`, its steps counted from there. */
  | { readonly kind: 'warmup'; readonly steps: number; readonly then: Schedule }

/** @example warmup(cosine({ initial: 0.016, steps: 10000 }), { steps: 500 }) */
export const cosine = (of: { readonly initial: number; readonly steps: number }): Schedule => ({
  kind: 'cosine',
  ...of,
})
/** Staircase by default. */
export const exponential = (of: {
  readonly initial: number
  readonly rate: number
  readonly every: number
  readonly staircase?: boolean
}): Schedule => ({ kind: 'exponential', staircase: true, ...of })
/** One value more than boundaries. */
export const piecewise = (of: {
  readonly boundaries: readonly number[]
  readonly values: readonly number[]
}): Schedule => {
  if (of.values.length !== of.boundaries.length + 1)
    throw new EffuseError({
      code: 'EF403',
      message: `a piecewise schedule of ${of.boundaries.length} boundaries needs ${of.boundaries.length + 1} values, got ${of.values.length}`,
    })
  return { kind: 'piecewise', ...of }
}
export const warmup = (then: Schedule, { steps }: { readonly steps: number }): Schedule => ({
  kind: 'warmup',
  steps,
  then,
})

/** The rate at a step, on the host: for logs and as the independent twin of `emitSchedule`. */
export const scheduleAt = (schedule: Schedule, step: number): number => {
  switch (schedule.kind) {
    case 'constant':
      return schedule.value
    case 'cosine':
      return (schedule.initial * (1 + Math.cos((Math.PI * Math.min(step, schedule.steps)) / schedule.steps))) / 2
    case 'exponential': {
      const times = step / schedule.every
      return schedule.initial * schedule.rate ** (schedule.staircase ? Math.floor(times) : times)
    }
    case 'piecewise':
      return schedule.values[schedule.boundaries.filter((b) => step >= b).length] ?? Number.NaN
    case 'warmup':
      return step < schedule.steps
        ? (scheduleAt(schedule.then, 0) * step) / schedule.steps
        : scheduleAt(schedule.then, step - schedule.steps)
  }
}

/** The rate as a float32 scalar. @param step int32 scalar. */
export const emitSchedule = (schedule: Schedule, step: Value): Value =>
  emitAt(schedule, step.builder.cast(step, 'float32'))

const emitAt = (schedule: Schedule, t: Value): Value => {
  const b = t.builder
  switch (schedule.kind) {
    case 'constant':
      return b.splat(schedule.value, { dtype: 'float32', shape: [] })
    case 'cosine': {
      const angle = b.mul(b.minimum(t, schedule.steps), Math.PI / schedule.steps)
      return b.mul(b.add(b.unary('cos', angle), 1), schedule.initial / 2)
    }
    case 'exponential': {
      const times = b.div(t, schedule.every)
      return b.mul(
        b.exp(b.mul(schedule.staircase ? b.unary('floor', times) : times, Math.log(schedule.rate))),
        schedule.initial,
      )
    }
    case 'piecewise': {
      const first = b.splat(schedule.values[0] ?? 0, { dtype: 'float32', shape: [] })
      return schedule.boundaries.reduce(
        (rate, boundary, i) => b.select(b.compare('ge', t, boundary), schedule.values[i + 1] ?? 0, rate),
        first,
      )
    }
    case 'warmup': {
      const rising = b.mul(t, scheduleAt(schedule.then, 0) / schedule.steps)
      return b.select(
        b.compare('lt', t, schedule.steps),
        rising,
        emitAt(schedule.then, b.maximum(b.sub(t, schedule.steps), 0)),
      )
    }
  }
}
