/** Orders of steps: never worse than the listed order, and compared with all orders on small problems. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lowerBoundOf } from '../../../src/passes/memory/figures.ts'
import { lifetimesOf } from '../../../src/passes/memory/lifetimes.ts'
import { dependenciesOf, type MemoryProblem, usesOf } from '../../../src/passes/memory/problem.ts'
import { schedule } from '../../../src/passes/memory/schedule.ts'
import { given, made, memoryProblems, outside, step } from './problems.ts'

const peakOf = (problem: MemoryProblem, order: readonly number[]): number =>
  lowerBoundOf(lifetimesOf(problem, usesOf(problem), order), order.length)

test('the order is never worse than the listed one, and reports its peak', () => {
  fc.assert(
    fc.property(memoryProblems({ stepsMax: 30, updates: true }), (problem) => {
      const { order, peakBytes } = schedule(problem)
      expect(peakBytes).toBe(peakOf(problem, order))
      expect(peakBytes).toBeLessThanOrEqual(
        peakOf(
          problem,
          problem.steps.map((_, at) => at),
        ),
      )
    }),
    { numRuns: 300 },
  )
})

/** Every order that respects the dependencies. */
const allOrders = (problem: MemoryProblem): readonly (readonly number[])[] => {
  const { predecessors } = dependenciesOf(problem, usesOf(problem))
  const orders: (readonly number[])[] = []
  const extend = (order: readonly number[]): void => {
    if (order.length === problem.steps.length) orders.push(order)
    problem.steps.forEach((_, at) => {
      const isReady = !order.includes(at) && predecessors[at]?.every((earlier) => order.includes(earlier)) === true
      if (isReady) extend([...order, at])
    })
  }
  extend([])
  return orders
}

test('for nine of ten random problems of up to seven steps the order is optimal, and the others are close', () => {
  const problems = fc
    .sample(memoryProblems({ stepsMax: 7, updates: true }), { numRuns: 1500, seed: 7 })
    .filter(({ steps }) => steps.length > 3)
    .slice(0, 300)
  expect(problems).toHaveLength(300)
  const excess = problems.map((problem) => {
    const best = Math.min(...allOrders(problem).map((order) => peakOf(problem, order)))
    return schedule(problem).peakBytes / Math.max(1, best)
  })
  expect(Math.min(...excess)).toBeGreaterThanOrEqual(1)
  expect(Math.max(...excess)).toBeLessThanOrEqual(2)
  expect(excess.filter((ratio) => ratio === 1).length).toBeGreaterThanOrEqual(270)
})

/**
 * A chain of layers and its gradients, as in training. The listed order computes all filter gradients last, like a traversal from the updates of the
 * first layers, so that all activations and gradients are alive at once.
 */
const training = (layers: number): MemoryProblem => {
  const [activation, gradient, filter] = [0, layers + 1, 2 * layers + 2]
  const indexes = Array.from({ length: layers }, (_, i) => i)
  return {
    values: [
      given(64),
      ...indexes.map(() => made(64)),
      ...indexes.map(() => made(64)),
      outside(64),
      ...indexes.map(() => made(1)),
    ],
    steps: [
      ...indexes.map((i) => step([activation + i], [activation + i + 1])),
      ...[...indexes].reverse().map((i) => step([gradient + i + 1, activation + i + 1], [gradient + i])),
      ...indexes.map((i) => step([gradient + i + 1, activation + i], [filter + i])),
    ],
    results: indexes.map((i) => filter + i),
    commits: [],
  }
}

describe('gradients of a chain of layers', () => {
  test('need the memory of the activations, but not twice as much', () => {
    const problem = training(50)
    expect(schedule(problem, ['listed']).peakBytes).toBeGreaterThan(99 * 64)
    expect(schedule(problem).peakBytes).toBeLessThan(54 * 64)
  })

  test('of 30,000 steps are ordered quickly and deterministically', () => {
    const problem = training(10_000)
    const start = performance.now()
    const { order } = schedule(problem)
    expect(performance.now() - start).toBeLessThan(5000) // half a second on an idle machine; a quadratic algorithm takes minutes
    expect(schedule(structuredClone(problem)).order).toEqual(order)
  })
})
