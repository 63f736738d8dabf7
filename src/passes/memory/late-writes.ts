/**
 * Moves steps that may write a variable in place to the end. When they run, every step that can fail and every step that reads the old value has
 * run. Then a new value needs neither additional memory nor a move.
 */
import { type Dependencies, type MemoryProblem, stepAt, type Uses } from './problem.ts'

/** The order with these steps, and all steps that depend on them, at its end; null if there are none, or if a step after them can fail. */
export const withLateWrites = (
  problem: MemoryProblem,
  { bases, ofStep }: Uses,
  { successors, predecessors }: Dependencies,
  order: readonly number[],
): readonly number[] | null => {
  if (problem.commits.length === 0) return null
  const variables = new Map(problem.commits.map(({ variable, value }) => [value, variable]))
  /** The variables that a step may write in place. */
  const targets = problem.steps.map(({ overwrites }) =>
    overwrites.flatMap(({ write, read }) => (variables.get(write) === bases[read] ? [bases[read] as number] : [])),
  )
  const isSafe = new Uint8Array(order.length) // neither it nor what depends on it can fail
  for (const at of [...order].reverse())
    if (!stepAt(problem, at).canFail && (successors[at] ?? []).every((next) => isSafe[next] === 1)) isSafe[at] = 1
  const isLate = new Uint8Array(order.length)
  for (const at of order) {
    const isWriter = isSafe[at] === 1 && (targets[at]?.length ?? 0) > 0
    if (isWriter || (predecessors[at] ?? []).some((earlier) => isLate[earlier] === 1)) isLate[at] = 1
  }
  let late = order.filter((at) => isLate[at] === 1)
  if (late.length === 0) return null
  const next = order.filter((at) => isLate[at] === 0)
  const readers = new Map<number, number>()
  for (const at of late) for (const base of ofStep[at] ?? []) readers.set(base, (readers.get(base) ?? 0) + 1)
  const isReady = (at: number): boolean => (predecessors[at] ?? []).every((earlier) => isLate[earlier] === 0)
  const emit = (at: number): void => {
    isLate[at] = 0
    next.push(at)
    for (const base of ofStep[at] ?? []) readers.set(base, (readers.get(base) ?? 0) - 1)
  }
  // Readers of an old value run before the step that overwrites it. If two steps wait for each other, the first runs and is not in place.
  while (late.length > 0) {
    const before = late.length
    for (const at of late) if (isReady(at) && targets[at]?.every((base) => readers.get(base) === 1) === true) emit(at)
    late = late.filter((at) => isLate[at] === 1)
    const stuck = late.length === before ? late.find(isReady) : undefined
    if (stuck !== undefined) emit(stuck)
    late = late.filter((at) => isLate[at] === 1)
  }
  return next
}
