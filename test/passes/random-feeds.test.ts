/** Random feeds: their numbers are on the grid and in the ranges that judging a pass needs. */
import { describe, expect, test } from 'vitest'
import { parse } from '../../src/ir/parse.ts'
import {
  calmed,
  complemented,
  drawsOf,
  generator,
  positiveVariables,
  randomFeeds,
} from '../../src/passes/random-feeds.ts'

const feedsOf = (text: string, positive: readonly string[] = []) => {
  const graph = parse(`graph g { ${text} }`)
  return { graph, feeds: randomFeeds([graph], new Set(positive), generator(1)) }
}
const input = (type: string): string => `%x = input() {name="x"} : ${type} return y = %x`

test('a generator gives numbers from 0 to 1 evenly, the same for the same seed', () => {
  const [next, same, other] = [generator(5), generator(5), generator(6)]
  const numbers = Array.from({ length: 4000 }, next)
  expect(Array.from({ length: 4000 }, same)).toEqual(numbers)
  expect(Array.from({ length: 4000 }, other)).not.toEqual(numbers)
  const counts = new Array<number>(8).fill(0)
  for (const x of numbers) counts[Math.floor(x * 8)] = (counts[Math.floor(x * 8)] ?? 0) + 1
  expect(counts).toHaveLength(8)
  expect(Math.min(...counts)).toBeGreaterThan(420)
})

describe('numbers', () => {
  const isOnGrid = (x: number): boolean => Number.isInteger(x * 64)
  test('floats are on a grid of 1/64, half of them between -2 and 2, the others between -9 and 9', () => {
    const x = [...(feedsOf(input('float32[2000]')).feeds.inputs['x'] ?? [])]
    expect(x.every(isOnGrid)).toBe(true)
    expect([Math.min(...x) < -8, Math.min(...x) >= -9, Math.max(...x) > 8, Math.max(...x) <= 9]).toEqual(
      Array(4).fill(true),
    )
    // Half of them, and 2/9 of the others.
    const share = x.filter((each) => Math.abs(each) <= 2).length / x.length
    expect(Math.abs(share - 11 / 18)).toBeLessThan(0.05)
  })
  test('positive variables are on that grid between 1/4 and 2', () => {
    const text = '%v = variable() {name="v"} : float32[2000] return y = %v'
    const v = [...(feedsOf(text, ['v']).feeds.variables.get('v') ?? [])]
    expect(v.every(isOnGrid)).toBe(true)
    expect(Math.min(...v)).toBeCloseTo(0.25, 1)
    expect(Math.max(...v)).toBeCloseTo(2, 1)
    expect([Math.min(...v) >= 0.25, Math.max(...v) <= 2]).toEqual([true, true])
  })
  test.each([
    ['int32', [0, 1, 2, 3]],
    ['bool', [0, 1]],
  ])('%s', (dtype, want) => {
    const x = feedsOf(input(`${dtype}[200]`)).feeds.inputs['x'] ?? []
    expect([...new Set(x)].sort()).toEqual(want)
  })
})

describe('the complement', () => {
  test('negates a flag, and takes an integer from 3', () => {
    const { graph, feeds } = feedsOf(
      '%x = input() {name="x"} : bool[] %n = input() {name="n"} : int32[3] %v = variable() {name="v"} : int32[9] return y = %x',
    )
    const other = complemented(feeds, [graph])
    expect(other?.inputs['x']?.[0]).toBe(1 - (feeds.inputs['x']?.[0] ?? 0))
    expect([...(other?.inputs['n'] ?? [])]).toEqual([...(feeds.inputs['n'] ?? [])].map((n) => 3 - n))
    expect([...(other?.variables.get('v') ?? [])]).toEqual([...(feeds.variables.get('v') ?? [])].map((n) => 3 - n))
  })
  test.each(['float32[]', 'int32[100]', 'bool[8]'])('of %s is not needed', (type) => {
    const { graph, feeds } = feedsOf(input(type))
    expect(complemented(feeds, [graph])).toBeNull()
  })
})

test.each([
  ['float32[]', 64],
  ['float32[10]', 7],
  ['float32[64]', 1],
  ['float32[5000]', 1],
])('a graph of %s needs %i runs for 64 elements', (type, runs) => {
  expect(drawsOf(feedsOf(input(type)).graph)).toBe(runs)
})

test('the variables whose square roots are taken are positive', () => {
  const v = (name: string): string => `%${name} = variable() {name="${name}"} : float32[3]`
  const { graph } = feedsOf(`%x = input() {name="x"} : float32[2,3] ${['s', 'o', 'm', 'v'].map(v).join(' ')}
    %y = batchNormInference(%x, %s, %o, %m, %v) {epsilon=0.001} : float32[2,3] return y = %y`)
  expect([...positiveVariables([graph])]).toEqual(['v'])
})

test('a kernel is divided by a power of two near the square root of its terms, and nothing else is', () => {
  const { graph, feeds } = feedsOf(`%x = input() {name="x"} : float32[2,16] %w = variable() {name="w"} : float32[16,3]
    %b = variable() {name="b"} : float32[2,3] %m = matmul(%x, %w) : float32[2,3] %y = add(%m, %b) : float32[2,3] return y = %y`)
  const { inputs, variables } = calmed(feeds, [graph])
  expect(inputs).toEqual(feeds.inputs)
  expect(variables.get('b')).toEqual(feeds.variables.get('b'))
  expect(variables.get('w')).toEqual(feeds.variables.get('w')?.map((x) => x / 32))
})
