/** Variables get their new values together and after every step that can fail, with any dependencies between them. */
import type { MemoryConstraints } from '../../../src/ir/target.ts'
import { describe, expect, test } from 'vitest'
import { checkPlan } from '../../../src/passes/memory/check-plan.ts'
import { planMemory } from '../../../src/passes/memory/plan-memory.ts'
import type { MemoryPlan } from '../../../src/passes/memory/plan.ts'
import type { MemoryProblem } from '../../../src/passes/memory/problem.ts'
import { given, made, outside, step, variable, view } from './problems.ts'

const target: MemoryConstraints = { alignment: 16, arenaBytesMax: 2 ** 32, exclusiveWrites: false }
const planOf = (problem: MemoryProblem): MemoryPlan => {
  const plan = planMemory(problem, target)
  expect(checkPlan(plan, target)).toEqual([])
  return plan
}
/** w' = step(w, g), like an optimizer: in place if possible. */
const optimizer = (w: number, g: number, next: number, canFail = false) =>
  step([w, g], [next], { overwrites: [{ write: next, read: w }], canFail })

test('two variables that swap go through one temporary', () => {
  const values = [variable(64), variable(64)]
  const plan = planOf({
    values,
    steps: [],
    results: [],
    commits: [
      { variable: 0, value: 1 },
      { variable: 1, value: 0 },
    ],
  })
  expect(plan.extras).toEqual([64])
  expect(plan.tail).toEqual([
    { from: 0, to: 2 },
    { from: 1, to: 0 },
    { from: 2, to: 1 },
  ])
})

test('a chain of variables needs no temporary: the last one is overwritten first', () => {
  const plan = planOf({
    values: [variable(64), variable(64), variable(64), made(64)],
    steps: [step([], [3])],
    results: [],
    commits: [
      { variable: 0, value: 3 },
      { variable: 1, value: 0 },
      { variable: 2, value: 1 },
    ],
  })
  expect(plan.extras).toEqual([])
  expect(plan.tail).toEqual([
    { from: 1, to: 2 },
    { from: 0, to: 1 },
    { from: 3, to: 0 },
  ])
})

test('a variable that keeps its value is not copied', () => {
  const values = [variable(64), view(0, 64)]
  expect(planOf({ values, steps: [], results: [], commits: [{ variable: 0, value: 1 }] }).tail).toEqual([])
})

describe("a step writes directly into the variable's memory", () => {
  const values = [variable(64), given(64), made(64)]
  const commits = [{ variable: 0, value: 2 }]

  test('if no later step reads the old value or can fail', () => {
    const plan = planOf({ values, steps: [optimizer(0, 1, 2)], results: [], commits })
    expect(plan.places[2]).toEqual({ variable: 0 })
    expect(plan.tail).toEqual([])
  })

  test.each<[string, MemoryProblem]>([
    ['it can fail itself', { values, steps: [optimizer(0, 1, 2, true)], results: [], commits }],
    [
      'a later step can fail',
      {
        values: [...values, made(16)],
        steps: [optimizer(0, 1, 2), step([2], [3], { canFail: true })],
        results: [3],
        commits,
      },
    ],
    [
      'a later step reads the old value',
      { values: [...values, made(16)], steps: [optimizer(0, 1, 2), step([0, 2], [3])], results: [3], commits },
    ],
    [
      'a later step reads the old value through a view',
      {
        values: [...values, made(16), view(0, 16)],
        steps: [optimizer(0, 1, 2), step([4, 2], [3])],
        results: [3],
        commits,
      },
    ],
    [
      'another variable takes the old value',
      {
        values: [...values, variable(64)],
        steps: [optimizer(0, 1, 2)],
        results: [],
        commits: [...commits, { variable: 3, value: 0 }],
      },
    ],
    [
      'it reads the old value in another order as well',
      {
        values: [...values, view(0, 64)],
        steps: [step([0, 3, 1], [2], { overwrites: [{ write: 2, read: 0 }] })],
        results: [],
        commits,
      },
    ],
    ['the new value is a result', { values, steps: [optimizer(0, 1, 2)], results: [2], commits }],
  ])('not where %s', (_why, problem) => {
    const plan = planOf(problem)
    expect(plan.places[2]).toHaveProperty('arena')
    expect(plan.tail.filter(({ to }) => to === 0)).toEqual([{ from: 2, to: 0 }])
  })
})

test('steps that write variables run after all steps that can fail or read the old value', () => {
  const plan = planOf({
    values: [variable(64), variable(64), given(64), made(64), made(64), made(64), made(16)],
    steps: [
      optimizer(0, 2, 3),
      optimizer(1, 3, 4),
      step([2], [5], { canFail: true }),
      step([0, 1, 5], [6]), // reads both old values
    ],
    results: [6],
    commits: [
      { variable: 0, value: 3 },
      { variable: 1, value: 4 },
    ],
  })
  expect(plan.order).toEqual([2, 3, 0, 1])
  expect(plan.places.slice(3, 5)).toEqual([{ variable: 0 }, { variable: 1 }])
  expect(plan.tail).toEqual([])
})

test('if each of two steps reads the variable that the other writes, one is not in place', () => {
  const reading = (w: number, other: number, next: number) =>
    step([w, other], [next], { overwrites: [{ write: next, read: w }] })
  const plan = planOf({
    values: [variable(64), variable(64), made(64), made(64)],
    steps: [reading(0, 1, 2), reading(1, 0, 3)],
    results: [],
    commits: [
      { variable: 0, value: 2 },
      { variable: 1, value: 3 },
    ],
  })
  expect(plan.places.slice(2)).toEqual([{ arena: 0, offset: 0 }, { variable: 1 }])
  expect(plan.tail).toEqual([{ from: 2, to: 0 }])
})

test('a result in the memory of a variable is copied before the variable changes', () => {
  const plan = planOf({
    values: [variable(64), given(64), made(64), view(0, 64)],
    steps: [step([1], [2])],
    results: [3, 0],
    commits: [{ variable: 0, value: 2 }],
  })
  expect(plan.results).toEqual([4, 5])
  expect(plan.tail).toEqual([
    { from: 3, to: 4 },
    { from: 0, to: 5 },
    { from: 2, to: 0 },
  ])
})

test('a result that is a constant is not copied', () => {
  const plan = planOf({ values: [outside(64)], steps: [], results: [0], commits: [] })
  expect(plan).toMatchObject({ results: [0], tail: [], arenas: [] })
})

test("a buffer above the machine's limit is rejected, with both sizes", () => {
  const problem: MemoryProblem = { values: [made(2048)], steps: [step([], [0])], results: [0], commits: [] }
  expect(() => planMemory(problem, { ...target, arenaBytesMax: 1024 })).toThrow(
    expect.objectContaining({
      code: 'EF409',
      message: 'one value takes 2,048 bytes; the largest buffer of this machine has 1,024',
    }),
  )
})
