/** The memory planner: an order, then lifetimes, then the commit tail, then places. */
import type { MemoryConstraints } from '../../ir/target.ts'
import { lowerBoundOf } from './figures.ts'
import { type Conflicts, layOut } from './arenas.ts'
import { commitTail, type CommitTail } from './commit-tail.ts'
import { type Buffer, type Lifetimes, lifetimesOf } from './lifetimes.ts'
import type { MemoryPlan, Place } from './plan.ts'
import { type MemoryProblem, stepAt, type Uses, usesOf } from './problem.ts'
import { schedule, type Schedule } from './schedule.ts'

/**
 * Plans the memory of a run.
 *
 * @param scheduled The order, if it is already chosen. Default: the one with the lowest peak.
 * @throws EffuseError EF409 if a value is larger than the largest allowed arena; EF901 if the problem is not well-formed.
 * @example
 * const made = (bytes: number) => ({ home: 'made', bytes }) as const
 * const step = (reads: number[], writes: number[]) => ({ reads, writes, updates: [], overwrites: [], canFail: false })
 * const plan = planMemory(
 *   {
 *     values: [{ home: 'given', bytes: 64 }, made(64), made(64), made(64)],
 *     steps: [step([0], [1]), step([1], [2]), step([2], [3])],
 *     results: [3],
 *     commits: [],
 *   },
 *   { alignment: 16, arenaBytesMax: 2 ** 32, exclusiveWrites: false },
 * )
 * plan.arenas // is [128]: two of the four values lie in memory at any time
 */
export const planMemory = (
  problem: MemoryProblem,
  constraints: MemoryConstraints,
  scheduled: Schedule = schedule(problem),
): MemoryPlan => {
  const uses = usesOf(problem)
  const { order, rule } = scheduled
  const lifetimes = lifetimesOf(problem, uses, order)
  const tail = commitTail(problem, uses, lifetimes.inVariable)
  // The tail's own buffers are alive after the last step.
  const end = order.length
  const extras = tail.extras.map((bytes): Buffer => ({ bytes, first: end, last: end }))
  const buffers = [...lifetimes.buffers, ...extras]
  const lowerBoundBytes = lowerBoundOf({ buffers }, end)
  const conflicts = constraints.exclusiveWrites ? conflictsOf(problem, uses, lifetimes) : []
  const layout = layOut(buffers, conflicts, constraints, lowerBoundBytes)
  return {
    problem,
    order,
    rule,
    places: placesOf(problem, uses, lifetimes, tail, layout.places),
    tail: tail.moves,
    extras: tail.extras,
    results: tail.results,
    arenas: layout.arenas,
    arenaBytes: layout.arenas.reduce((sum, bytes) => sum + bytes, 0),
    lowerBoundBytes,
  }
}

const placesOf = (
  { values }: MemoryProblem,
  { bases }: Uses,
  { buffers, bufferOf, inVariable }: Lifetimes,
  { extras }: CommitTail,
  ofBuffer: readonly Place[],
): readonly (Place | null)[] => [
  ...values.map((_, value): Place | null => {
    const base = bases[value] as number
    if (values[base]?.home === 'variable') return { variable: base }
    const variable = inVariable.get(base)
    if (variable !== undefined) return { variable }
    return ofBuffer[bufferOf[base] as number] ?? null
  }),
  ...extras.map((_, i) => ofBuffer[buffers.length + i] ?? null),
]

/** The values that a step writes may not share an arena with those it reads from other places. */
const conflictsOf = (problem: MemoryProblem, { bases, ofStep }: Uses, { buffers, bufferOf }: Lifetimes): Conflicts => {
  const conflicts = buffers.map(() => new Set<number>())
  problem.steps.forEach((_, at) => {
    const { writes, updates } = stepAt(problem, at)
    const bufferAt = (value: number): number => bufferOf[bases[value] as number] as number
    const written = new Set([...writes, ...updates].map(bufferAt).filter((buffer) => buffer >= 0))
    for (const base of ofStep[at] ?? []) {
      const read = bufferOf[base] as number
      if (read < 0 || written.has(read)) continue
      for (const buffer of written) {
        conflicts[buffer]?.add(read)
        conflicts[read]?.add(buffer)
      }
    }
  })
  return conflicts.map((set) => [...set])
}
