/**
 * An order of steps with a low peak. Finding the best order is NP-hard (Sethi 1975, "Complete register allocation problems"). So several rules
 * make an order each, and the one with the lowest peak is used, as in XLA (hlo_memory_scheduler.cc). The listed order is among them, so the
 * result is never worse than it. n log n. The same problem always gives the same order.
 */
import { invariant } from '../../ir/diagnostics.ts'
import { lowerBoundOf } from './figures.ts'
import { backwardOrder, eagerOrder } from './greedy-orders.ts'
import { lifetimesOf } from './lifetimes.ts'
import { withLateWrites } from './late-writes.ts'
import { listedOrder, type MakeOrder, sortedOrder } from './orders.ts'
import { dependenciesOf, isPlanned, type MemoryProblem, type Uses, usesOf } from './problem.ts'

export interface Schedule {
  /** Steps by position. */
  readonly order: readonly number[]
  /** The rule that made it. */
  readonly rule: ScheduleRule
  /** The most bytes alive at the same time, as in `lowerBoundOf`. */
  readonly peakBytes: number
}

/** `listed`: as the problem lists them. The others: orders.ts and greedy-orders.ts. */
export type ScheduleRule = 'listed' | 'eager' | 'sorted' | 'backward'
export const scheduleRules: readonly ScheduleRule[] = ['listed', 'eager', 'sorted', 'backward']

/**
 * The order with the lowest peak among those that the rules make; of equal ones the first.
 * @throws EffuseError EF901 if the problem is not well-formed.
 */
export const schedule = (problem: MemoryProblem, rules: readonly ScheduleRule[] = scheduleRules): Schedule => {
  const uses = usesOf(problem)
  const dependencies = dependenciesOf(problem, uses)
  const measured = (order: readonly number[], rule: ScheduleRule): Schedule => ({
    order,
    rule,
    peakBytes: lowerBoundOf(lifetimesOf(problem, uses, order), order.length),
  })
  const least = largestStep(problem, uses)
  let best: Schedule | null = null
  for (const rule of rules) {
    const order = ordersBy[rule](problem, uses, dependencies)
    const late = withLateWrites(problem, uses, dependencies, order)
    for (const made of [...(late === null ? [] : [measured(late, rule)]), measured(order, rule)])
      if (best === null || made.peakBytes < best.peakBytes) best = made
    if (best !== null && best.peakBytes <= least) break
  }
  invariant(best !== null, () => 'a schedule needs a rule')
  return best
}

/** The bytes of the operands and results of one step. No order needs less. A result that may overwrite an operand does not count. */
const largestStep = (problem: MemoryProblem, { ofStep }: Uses): number =>
  problem.steps.reduce((most, { writes, overwrites }, at) => {
    const apart = writes.filter((write) => !overwrites.some((pair) => pair.write === write))
    const bytes = [...apart, ...(ofStep[at] ?? [])].reduce(
      (sum, base) => sum + (isPlanned(problem, base) ? (problem.values[base]?.bytes ?? 0) : 0),
      0,
    )
    return Math.max(most, bytes)
  }, 0)

const ordersBy: { readonly [R in ScheduleRule]: MakeOrder } = {
  listed: listedOrder,
  eager: eagerOrder,
  sorted: sortedOrder,
  backward: backwardOrder,
}
