/** Plans of random problems: the checker accepts the planner's plans and rejects modified ones, and the figures are correct. */
import type { MemoryConstraints } from '../../../src/ir/target.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkPlan, type PlanRule } from '../../../src/passes/memory/check-plan.ts'
import { planMemory } from '../../../src/passes/memory/plan-memory.ts'
import type { MemoryPlan, Place } from '../../../src/passes/memory/plan.ts'
import type { PlannedStep, PlannedValue } from '../../../src/passes/memory/problem.ts'
import { schedule, scheduleRules } from '../../../src/passes/memory/schedule.ts'
import { baseIn, memoryProblems } from './problems.ts'

const constraints: fc.Arbitrary<MemoryConstraints> = fc.record({
  alignment: fc.constantFrom(1, 16, 64, 256),
  arenaBytesMax: fc.constantFrom(256, 512, 2 ** 32),
  exclusiveWrites: fc.boolean(),
})
const anyProblem = memoryProblems({ stepsMax: 14, updates: true })
const planned = fc
  .tuple(anyProblem, constraints, fc.constantFrom(...scheduleRules))
  .map(([problem, target, rule]) => ({ target, plan: planMemory(problem, target, schedule(problem, [rule])) }))

test('the checker accepts every plan, for every order and all constraints', () => {
  fc.assert(
    fc.property(planned, ({ plan, target }) => {
      expect(checkPlan(plan, target)).toEqual([])
    }),
    { numRuns: 1000 },
  )
})

describe('figures', () => {
  test('the lower bound is the most bytes alive at once; the arenas are never smaller', () => {
    fc.assert(
      fc.property(planned, ({ plan }) => {
        expect(plan.lowerBoundBytes).toBe(mostAlive(plan))
        expect(plan.arenaBytes).toBeGreaterThanOrEqual(plan.lowerBoundBytes)
      }),
      { numRuns: 500 },
    )
  })
})

test('the only step writes directly into the memory of its variable', () => {
  const values = [
    { home: 'variable', bytes: 64 },
    { home: 'made', bytes: 64 },
  ] as const
  const step = { reads: [0], writes: [1], updates: [], overwrites: [{ write: 1, read: 0 }], canFail: false }
  const commits = [{ variable: 0, value: 1 }]
  const problem = { values, steps: [step], results: [], commits }
  const target = { alignment: 16, arenaBytesMax: 256, exclusiveWrites: false }
  const planOf = (canFail: boolean): MemoryPlan => planMemory({ ...problem, steps: [{ ...step, canFail }] }, target)
  expect(planOf(false).arenaBytes).toBe(0)
  expect(planOf(true).arenaBytes).toBe(64)
})

/** The definition, byte for byte: what must be in the arenas at each time. Shared places count once. */
const mostAlive = ({ problem, order, places, extras, results, tail }: MemoryPlan): number => {
  const { values, steps } = problem
  const at = (time: number): PlannedStep | undefined => steps[order[time] as number]
  const wanted = [...results, ...tail.map(({ from }) => from), ...problem.commits.map(({ value }) => value)]
  let most = 0
  for (let time = -1; time <= order.length; time++) {
    const alive = new Set<number>()
    values.forEach(({ home }, value) => {
      if (home !== 'made' && home !== 'given') return
      const begin = home === 'given' ? -1 : order.findIndex((_, p) => at(p)?.writes.includes(value) === true)
      const isUse = (used: number): boolean => baseIn(problem, used) === value
      const last = wanted.some(isUse)
        ? order.length
        : order.findLastIndex((_, p) => [...(at(p)?.reads ?? []), ...(at(p)?.updates ?? [])].some(isUse))
      if (home === 'given' && last === -1) return
      if (begin <= time && time <= Math.max(begin, last)) alive.add(value)
    })
    const spots = new Map<string, number>()
    for (const value of alive) {
      const place = places[value]
      if (place && 'arena' in place) spots.set(`${place.arena} ${place.offset}`, (values[value] as PlannedValue).bytes)
    }
    const extra = time === order.length ? extras.reduce((sum, bytes) => sum + bytes, 0) : 0
    most = Math.max(
      most,
      [...spots.values()].reduce((sum, bytes) => sum + bytes, extra),
    )
  }
  return most
}

/** A modification that violates one invariant; null if it does not apply to the plan. */
type Mutation = (plan: MemoryPlan, n: number) => MemoryPlan | null
const pickOf = <T>(list: readonly T[], n: number): T | null => list[n % Math.max(1, list.length)] ?? null
const withPlace = (plan: MemoryPlan, value: number, place: Place | null): MemoryPlan => {
  const base = baseIn(plan.problem, value)
  const moves = (other: number): boolean => other < plan.problem.values.length && baseIn(plan.problem, other) === base
  return { ...plan, places: plan.places.map((old, other) => (moves(other) ? place : old)) }
}
const inArena = (plan: MemoryPlan, value: number): boolean => {
  const place = plan.places[value]
  return place != null && 'arena' in place
}

const mutations: { readonly [R in PlanRule]: Mutation } = {
  'each step runs once': (plan, n) =>
    plan.order.length === 0
      ? null
      : { ...plan, order: n % 2 === 0 ? plan.order.slice(1) : [...plan.order, ...plan.order.slice(0, 1)] },
  // Moves a value to a place whose content is still needed.
  'a read finds its value': (plan, n) => {
    const { steps, values } = plan.problem
    const clashes = plan.order.flatMap((at, position) =>
      plan.order
        .slice(position + 1)
        .flatMap((between, i) =>
          plan.order
            .slice(position + i + 2)
            .flatMap((later) =>
              (steps[at]?.writes ?? []).flatMap((value) =>
                steps[later]?.reads.includes(value) === true && inArena(plan, value)
                  ? (steps[between]?.writes ?? []).flatMap((other) =>
                      inArena(plan, other) && values[other]?.bytes === values[value]?.bytes
                        ? [[value, other] as const]
                        : [],
                    )
                  : [],
              ),
            ),
        ),
    )
    const clash = pickOf(
      clashes.filter(([value, other]) => !sharesPlace(plan, value, other)),
      n,
    )
    return clash === null ? null : withPlace(plan, clash[1], plan.places[clash[0]] ?? null)
  },
  'operands and results lie apart': (plan, n) => {
    const pairs = plan.problem.steps.flatMap(({ reads, writes, overwrites }) =>
      reads.flatMap((read) =>
        writes
          .filter(
            (write) => inArena(plan, read) && inArena(plan, write) && !overwrites.some((pair) => pair.write === write),
          )
          .map((write) => [write, read] as const),
      ),
    )
    const pair = pickOf(pairs, n)
    return pair === null ? null : withPlace(plan, pair[0], plan.places[pair[1]] ?? null)
  },
  'buffers lie in their arenas, aligned': (plan, n) => {
    const value = pickOf(
      plan.places.flatMap((_, value) => (inArena(plan, value) ? [value] : [])),
      n,
    )
    const place = value === null ? null : plan.places[value]
    return value === null || place == null || !('arena' in place)
      ? null
      : withPlaceOf(plan, value, { ...place, offset: place.offset + (plan.arenas[place.arena] ?? 0) })
  },
  'variables have their new values at the end': (plan, n) => {
    const commits = plan.tail.flatMap(({ to }, i) => (to < plan.problem.values.length ? [i] : []))
    const dropped = pickOf(commits, n)
    return dropped === null ? null : { ...plan, tail: plan.tail.filter((_, i) => i !== dropped) }
  },
  'variables change after the last step that can fail': (plan) => {
    const at = plan.order.findIndex(
      (step) =>
        plan.problem.steps[step]?.writes.some((value) => {
          const place = plan.places[value]
          return place != null && 'variable' in place
        }) === true,
    )
    return at < 0
      ? null
      : {
          ...plan,
          problem: {
            ...plan.problem,
            steps: plan.problem.steps.map((step, i) => (i === plan.order.at(-1) ? { ...step, canFail: true } : step)),
          },
        }
  },
  'results are there at the end': (plan, n) => {
    const i = pickOf(
      plan.results.flatMap((at, i) => (at >= plan.problem.values.length ? [i] : [])),
      n,
    )
    return i === null
      ? null
      : { ...plan, results: plan.results.map((at, j) => (i === j ? (plan.problem.results[i] ?? at) : at)) }
  },
  'no arena is read and written by one step': (plan, n) => {
    // Each value keeps its offset, shifted so that nothing overlaps, in a single arena.
    const starts = plan.arenas.map((_, arena) => plan.arenas.slice(0, arena).reduce((sum, bytes) => sum + bytes, 0))
    const isMixed = plan.problem.steps.some(({ reads, writes, overwrites }) =>
      reads.some(
        (read) => inArena(plan, read) && writes.some((write) => inArena(plan, write) && overwrites.length === 0),
      ),
    )
    if (!isMixed || n % 2 === 0) return null
    const places = plan.places.map((place) =>
      place !== null && 'arena' in place ? { arena: 0, offset: place.offset + (starts[place.arena] ?? 0) } : place,
    )
    return { ...plan, places, arenas: [plan.arenaBytes] }
  },
  'figures are right': (plan) => ({ ...plan, arenaBytes: plan.arenaBytes + 1 }),
}
const sharesPlace = (plan: MemoryPlan, a: number, b: number): boolean =>
  JSON.stringify(plan.places[a]) === JSON.stringify(plan.places[b])
const withPlaceOf = (plan: MemoryPlan, value: number, place: Place): MemoryPlan =>
  value < plan.problem.values.length
    ? withPlace(plan, value, place)
    : { ...plan, places: plan.places.with(value, place) }

test.each(Object.entries(mutations) as [PlanRule, Mutation][])(
  'a plan that violates "%s" is rejected',
  (rule, mutate) => {
    let broken = 0
    fc.assert(
      fc.property(planned, fc.nat(999), ({ plan, target }, n) => {
        const mutated = mutate(plan, n)
        if (mutated === null) return
        broken++
        const exclusiveWrites = target.exclusiveWrites || rule === 'no arena is read and written by one step'
        expect(checkPlan(mutated, { ...target, exclusiveWrites }).map((fault) => fault.rule)).toContain(rule)
      }),
      { numRuns: 500 },
    )
    expect(broken).toBeGreaterThan(20) // the random plans contain enough cases for this modification
  },
)
