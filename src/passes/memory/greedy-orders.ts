/**
 * List scheduling: rules that choose each next step by the growth of memory. While other steps are chosen, the growth of a waiting step only
 * decreases, so a heap with outdated entries is sufficient.
 */
import { makeHeap } from './heap.ts'
import type { MakeOrder } from './orders.ts'
import { type Dependencies, isPlanned, type MemoryProblem, type Uses } from './problem.ts'

/** The listed order, except that a step that reduces the memory in use runs as early as possible: filter gradients right after their operands. */
export const eagerOrder: MakeOrder = (problem, uses, dependencies) => {
  const { bytes, users, isWanted } = measures(problem, uses)
  const left = users.map((list, base) => list.length + (isWanted(base) ? 1 : 0))
  const growth = problem.steps.map(({ writes }, at) => {
    const coming = writes.reduce((sum, base) => sum + (left[base] === 0 ? 0 : bytes(base)), 0)
    return (uses.ofStep[at] ?? []).reduce((sum, base) => sum - (left[base] === 1 ? bytes(base) : 0), coming)
  })
  return listSchedule(
    dependencies,
    (at) => ((growth[at] as number) < 0 ? 0 : 1),
    (a, b) => a < b,
    (at, choose) => {
      for (const base of uses.ofStep[at] ?? []) {
        left[base] = (left[base] as number) - 1
        if (left[base] !== 1 || isWanted(base)) continue
        // The last remaining reader frees it.
        const last = users[base]?.find((user) => !choose.isDone(user))
        if (last === undefined) continue
        growth[last] = (growth[last] as number) - bytes(base)
        choose.again(last)
      }
    },
  )
}

/** From the end to the beginning: always the step before which the fewest bytes are alive; of equal steps the last listed. */
export const backwardOrder: MakeOrder = (problem, uses, { successors, predecessors }) => {
  const { bytes, users, isWanted } = measures(problem, uses)
  const isAlive = users.map((_, base) => isWanted(base))
  /** Backwards, operands become alive and results die. */
  const growth = problem.steps.map(({ writes }, at) => {
    const going = writes.reduce((sum, base) => sum + (users[base]?.length || isWanted(base) ? bytes(base) : 0), 0)
    return (uses.ofStep[at] ?? []).reduce((sum, base) => sum + (isWanted(base) ? 0 : bytes(base)), -going)
  })
  const order = listSchedule(
    { successors: predecessors, predecessors: successors },
    (at) => growth[at] as number,
    (a, b) => a > b,
    (at, choose) => {
      for (const base of uses.ofStep[at] ?? []) {
        if (isAlive[base] === true) continue
        isAlive[base] = true
        for (const user of users[base] ?? []) {
          growth[user] = (growth[user] as number) - bytes(base)
          choose.again(user)
        }
      }
    },
  )
  return [...order].reverse()
}

const measures = (problem: MemoryProblem, { ofStep, wanted }: Uses) => {
  const users: number[][] = problem.values.map(() => [])
  ofStep.forEach((bases, at) => {
    for (const base of bases) users[base]?.push(at)
  })
  return {
    /** Bytes of a base in the plan's memory. */
    bytes: (base: number): number => (isPlanned(problem, base) ? (problem.values[base]?.bytes ?? 0) : 0),
    /** The steps that use each base. */
    users,
    isWanted: (base: number): boolean => wanted.has(base),
  }
}

interface Choose {
  isDone(step: number): boolean
  /** The step's rank has decreased. */
  again(step: number): void
}

/** Of the steps whose predecessors have run, always the one with the lowest rank; of equal ones the first. */
const listSchedule = (
  { successors, predecessors }: Dependencies,
  rankOf: (at: number) => number,
  isFirst: (a: number, b: number) => boolean,
  onDone: (at: number, choose: Choose) => void,
): readonly number[] => {
  const waiting = predecessors.map((list) => list.length)
  const isDone = new Uint8Array(waiting.length)
  const ranked: Ranked[] = []
  const heap = makeHeap((a, b) => {
    const [x, y] = [ranked[a] as Ranked, ranked[b] as Ranked] // only indexes of the list are pushed
    return x.rank < y.rank || (x.rank === y.rank && isFirst(x.at, y.at))
  })
  const push = (at: number): void => {
    if (waiting[at] === 0 && isDone[at] === 0) heap.push(ranked.push({ at, rank: rankOf(at) }) - 1)
  }
  const choose: Choose = { isDone: (at) => isDone[at] === 1, again: push }
  waiting.forEach((_, at) => push(at))
  const order: number[] = []
  for (let item = heap.pop(); item !== undefined; item = heap.pop()) {
    const { at } = ranked[item] as Ranked
    if (isDone[at] === 1) continue // pushed again since, with a lower rank
    isDone[at] = 1
    order.push(at)
    onDone(at, choose)
    for (const next of successors[at] ?? []) {
      waiting[next] = (waiting[next] as number) - 1
      push(next)
    }
  }
  return order
}

interface Ranked {
  readonly at: number
  readonly rank: number
}
