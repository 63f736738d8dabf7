/** The steps of a run with pending collectives: failures at every point. No failure leaks memory, hangs, or stays unhandled. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Communicator, HostArray } from '../../src/backends/backend.ts'
import { runSteps } from '../../src/backends/common/run-steps.ts'
import { makeVariableStore } from '../../src/backends/common/variable-store.ts'
import { type CrossingValue, graphStep, type Program, programOf, type Step } from '../../src/passes/program.ts'
import { parse } from '../../src/ir/parse.ts'
import { type Cell, counting } from '../support/counting-memory.ts'

const scalar = { dtype: 'float32', shape: [] } as const
const empty = parse('graph g { return }')
const collective = (name: string, value: string, before: string): Step => ({
  kind: 'collective',
  name,
  reduce: 'sum',
  values: [value],
  after: 'make',
  before,
  when: { kind: 'always' },
})
const crossing: readonly CrossingValue[] = [
  { name: 'a', type: scalar },
  { name: 'b', type: scalar },
]
const program: Program = programOf(
  [
    graphStep('make', empty),
    collective('first', 'a', 'use'),
    collective('second', 'b', 'use'),
    graphStep('slow', empty),
    graphStep('use', empty, { kind: 'counter', variable: 'n', value: 2 }),
    graphStep('last', empty),
  ],
  'p',
  crossing,
)
const all = program.steps.map(({ name }) => name)
const doubling: Communicator = {
  allReduce: async (_reduce, values) => values.map(({ data }) => data.map((x) => 2 * x) as HostArray),
}
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const unhandled: unknown[] = []
const note = (reason: unknown): void => void unhandled.push(reason)
beforeEach(() => void process.on('unhandledRejection', note))
afterEach(async () => {
  await tick()
  process.off('unhandledRejection', note)
  expect(unhandled.splice(0)).toEqual([])
})

const open = () => {
  const memory = counting()
  const store = makeVariableStore(memory)
  store.declare('w', scalar, () => Float32Array.of(0))
  const cell = (x: number): Cell => memory.upload(Float32Array.of(x), scalar)
  return {
    memory,
    value: async () => (await store.read(['w'])).get('w')?.[0],
    /** Returns `w`, and the crossing value `a` that the step `last` received. `failing`: the step that throws. */
    run: ({
      steps = all,
      communicator = doubling,
      failing,
    }: {
      steps?: readonly string[]
      communicator?: Communicator
      failing?: string
    } = {}) =>
      store.turn(async (turn) => {
        const at = { seed: 0, runIndex: 0, replica: 0, replicas: 2, communicator }
        const nameOf = (name: string): string => name
        const results = await runSteps<Cell>({
          ...{ program, steps, turn, at, memory, nameOf },
          runGraph: async ({ name }, operands) => {
            await tick()
            if (name === failing) throw new Error(`${name} failed`)
            const crosses = name === 'make' ? { a: cell(1), b: cell(10) } : {}
            const seen = name === 'last' ? { seen: cell(operands.crossing('a').data[0] ?? Number.NaN) } : {}
            const updates = name === 'make' ? { w: cell(7) } : {}
            return {
              outputs: new Map<string, Cell>(Object.entries({ ...crosses, ...seen })),
              updates: new Map(Object.entries(updates)),
            }
          },
        })
        const seen = results.get('seen')
        if (seen !== undefined) memory.free(seen)
        return seen?.data[0]
      }),
  }
}

describe('collectives', () => {
  test('run before the step that needs them, even if the step that they name is not due', async () => {
    const { run, memory, value } = open()
    expect(await run()).toBe(2)
    expect(await run({ steps: all.filter((name) => name !== 'use') })).toBe(2)
    expect(await value()).toBe(7)
    expect(memory.alive()).toBe(1)
  })
  test('if a communicator fails while steps run, the run fails with its error, and no variable changes', async () => {
    for (const failsAt of [0, 1]) {
      const { run, memory, value } = open()
      let calls = 0
      const failing: Communicator = {
        allReduce: async (...call) => {
          if (calls++ === failsAt) throw new Error('a replica is gone')
          return doubling.allReduce(...call)
        },
      }
      await expect(run({ communicator: failing })).rejects.toThrow('a replica is gone')
      await tick()
      expect(await value()).toBe(0)
      expect(memory.alive()).toBe(1)
      expect(await run()).toBe(2)
    }
  })
  test('a step that fails does not wait for replicas that never answer', async () => {
    for (const failing of ['slow', 'use', 'last']) {
      const { run, memory, value } = open()
      const answers: (() => void)[] = []
      const late: Communicator = {
        allReduce: async (...call) => {
          if (failing === 'slow') await new Promise<void>((resolve) => answers.push(resolve))
          return doubling.allReduce(...call)
        },
      }
      await expect(run({ failing, communicator: late })).rejects.toThrow(`${failing} failed`)
      expect(await value()).toBe(0)
      for (const answer of answers) answer()
      await tick()
      expect(memory.alive()).toBe(1)
    }
  })
  test.each<readonly [string, readonly HostArray[]]>([
    ['returned none', []],
    ['returned 2', [Float32Array.of(1, 2)]],
  ])('a communicator that %s of the elements', async (message, given) => {
    const { run, memory, value } = open()
    await expect(run({ communicator: { allReduce: async () => given } })).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringContaining(message),
    })
    await tick()
    expect(await value()).toBe(0)
    expect(memory.alive()).toBe(1)
  })
  test('a device without memory after the other replicas have answered', async () => {
    const { run, memory, value } = open()
    const filling: Communicator = {
      allReduce: async (...call) => {
        memory.fails = true
        return doubling.allReduce(...call)
      },
    }
    await expect(run({ communicator: filling })).rejects.toThrow('out of memory')
    await tick()
    memory.fails = false
    expect(await value()).toBe(0)
    expect(memory.alive()).toBe(1)
  })
})
