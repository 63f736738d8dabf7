/** Programs of several steps on backends: crossing values, counters, collectives over replicas, failures in the middle. */
import { describe, expect, test } from 'vitest'
import type {
  Backend,
  Communicator,
  FeedTensor,
  HostArray,
  HostTensor,
  RunContext,
} from '../../src/backends/backend.ts'
import { openOnce } from '../../src/backends/select.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { createTensorflowBackend } from '../../src/backends/tensorflow/index.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import { makeDueSteps } from '../../src/executable/due-steps.ts'
import { declareAll, specsOf } from '../../src/executable/variable-spec.ts'
import { graphsOf, type Program } from '../../src/passes/program.ts'
import { parseProgram } from '../../src/passes/program-text.ts'
import { verifyProgram } from '../../src/passes/verify-program.ts'
import { waitingBackend } from '../support/waiting-backend.ts'
import { withTensorflow } from '../support/tensorflow.ts'
import { withAdapter } from '../support/webgpu.ts'

/** Two replicas compute x and x * x. Their sums update w after every second run. */
const summing = parseProgram(`crossing "sum" : float32[2]
crossing "fine" : bool[]
step micro
graph sums.micro {
  %x = input() {name="x"} : float32[2]
  %n = variable() {name="count", init={kind="zeros"}, trainable=false} : int32[]
  %one = constant() {value=[1]} : int32[]
  %more = add(%n, %one) : int32[]
  %y = mul(%x, %x) : float32[2]
  %fine = allFinite(%y) : bool[]
  update %n = %more
  return y = %y, sum = %x, fine = %fine
}
step total = sum("sum") after micro before apply
step all = and("fine") after micro before apply
step apply
graph sums.apply {
  %s = input() {name="sum"} : float32[2]
  %f = input() {name="fine"} : bool[]
  %w = variable() {name="w", init={kind="zeros"}, trainable=false} : float32[2]
  %v = add(%w, %s) : float32[2]
  update %w = %v
  return seen = %s
}
`)

const backends: readonly (readonly [string, () => Promise<Backend>])[] = [
  ['reference', async () => referenceBackend()],
  ['a backend that waits', async () => waitingBackend(3)],
  ['wasm', () => createWasmBackend({ threads: 2 })],
  ['tfjs-wasm', () => createTfjsBackend({ backend: 'wasm' })],
  ['tfjs-cpu', () => createTfjsBackend({ backend: 'cpu' })],
  ...withAdapter.map((name) => [name, () => createTfjsBackend({ backend: 'webgpu' })] as const),
  ...withTensorflow.map((name) => [name, () => createTensorflowBackend()] as const),
]

const open = async (backend: Backend, program: Program) => {
  const store = backend.createStore()
  const nameOf = (name: string): string => name
  declareAll(store, specsOf(graphsOf(program)), 0, nameOf)
  const runnable = await backend.compile(program, store, { nameOf })
  const due = makeDueSteps(program, nameOf)
  return {
    store,
    run: (x: readonly number[], at: Partial<RunContext> = {}) =>
      store.turn(async (turn) => {
        const steps = await due.of(turn)
        const feeds = new Map<string, FeedTensor>([
          ['x', { type: { dtype: 'float32', shape: [2] }, host: Float32Array.from(x) }],
        ])
        const results = await runnable.run(turn, steps, feeds, { seed: 0, runIndex: 0, replica: 0, ...at })
        due.ran(turn)
        const read = new Map<string, readonly number[]>()
        for (const [name, tensor] of results) {
          read.set(name, [...(await tensor.read())])
          tensor.dispose()
        }
        return { steps, ...Object.fromEntries(read) } as { readonly steps: readonly string[] } & {
          readonly [name: string]: readonly number[] | undefined
        }
      }),
    value: async (name: string) => [...((await store.read([name])).get(name) ?? [])],
  }
}

/** Replicas in one process: each call waits for all replicas. */
const meeting = (replicas: number): Communicator => {
  let waiting: { readonly values: readonly HostTensor[]; readonly resolve: (all: readonly HostArray[]) => void }[] = []
  return {
    allReduce: (reduce, values) =>
      new Promise((resolve) => {
        waiting.push({ values, resolve })
        if (waiting.length < replicas) return
        const [first, ...others] = waiting
        const all = (first as (typeof waiting)[number]).values.map(({ data }, i) => {
          const sum = data.slice()
          for (const other of others)
            other.values[i]?.data.forEach((x, at) => {
              sum[at] = reduce === 'sum' ? (sum[at] as number) + x : Math.min(sum[at] as number, x)
            })
          return sum
        })
        const called = waiting
        waiting = []
        for (const one of called) one.resolve(all)
      }),
  }
}

describe.each(backends)('%s', (_name, make) => {
  test('crossing values pass from step to step, and are neither feeds nor results', async () => {
    expect(verifyProgram(summing)).toEqual([])
    const { run, value } = await open(await make(), summing)
    const first = await run([1, 2])
    expect(first).toEqual({ steps: ['micro', 'total', 'all', 'apply'], y: [1, 4], seen: [1, 2] })
    await run([3, 4])
    expect(await value('w')).toEqual([4, 6])
    expect(await value('count')).toEqual([2])
  })

  test('collectives combine the values of all replicas', async () => {
    const backend = await make()
    const [a, b] = [await open(backend, summing), await open(backend, summing)]
    const communicator = meeting(2)
    for (const x of [1, 2]) {
      const [one, two] = await Promise.all([
        a.run([x, 0], { replica: 0, replicas: 2, communicator }),
        b.run([10 * x, Number.POSITIVE_INFINITY], { replica: 1, replicas: 2, communicator }),
      ])
      expect([one['seen'], two['seen']]).toEqual([
        [11 * x, Infinity],
        [11 * x, Infinity],
      ])
      expect(one['y']).toEqual([x * x, 0])
    }
    expect(await a.value('w')).toEqual(await b.value('w'))
    expect(await a.value('w')).toEqual([33, Infinity])
  })

  test('several replicas without a communicator: the run is rejected, and no variable changes', async () => {
    const { run, value } = await open(await make(), summing)
    await expect(run([1, 2], { replicas: 2 })).rejects.toMatchObject({ code: 'EF403' })
    expect([await value('w'), await value('count')]).toEqual([[0, 0], [0]])
    expect((await run([1, 2]))['seen']).toEqual([1, 2])
  })

  test('a step with a counter condition runs when the counter reaches its value, also after set()', async () => {
    const counting = parseProgram(`step micro
graph c.micro {
  %n = variable() {name="count", init={kind="zeros"}, trainable=false} : int32[]
  %one = constant() {value=[1]} : int32[]
  %more = add(%n, %one) : int32[]
  update %n = %more
  return
}
step apply when "count" = 3
graph c.apply {
  %n = variable() {name="count", init={kind="zeros"}, trainable=false} : int32[]
  %zero = sub(%n, %n) : int32[]
  update %n = %zero
  return
}
`)
    const { run, store, value } = await open(await make(), counting)
    const due = async (): Promise<string> => (await run([0, 0])).steps.join(' ')
    expect([await due(), await due(), await due(), await due()]).toEqual(['micro', 'micro', 'micro apply', 'micro'])
    await store.write(new Map([['count', Int32Array.of(2)]]))
    expect([await due(), await due()]).toEqual(['micro apply', 'micro'])
    await store.write(new Map([['count', Int32Array.of(3)]]))
    await expect(due()).rejects.toMatchObject({ code: 'EF408', message: expect.stringContaining('"count" is 3') })
    expect(await value('count')).toEqual([3])
  })
})

test('a backend whose device is lost is not returned again', async () => {
  let lose = (): void => {}
  let opened = 0
  const entry = {
    name: 'frail',
    open: async (): Promise<Backend> => {
      opened++
      return {
        ...referenceBackend(),
        lost: new Promise((resolve) => {
          lose = () => resolve({ reason: 'the driver was restarted' })
        }),
      }
    },
  }
  const known: Parameters<typeof openOnce>[2] = new Map()
  const there = { isAvailable: true, detail: '', fix: null }
  const first = await openOnce(entry, there, known)
  expect(await openOnce(entry, there, known)).toBe(first)
  lose()
  await new Promise((resolve) => setImmediate(resolve))
  expect(await openOnce(entry, there, known)).not.toBe(first)
  expect(opened).toBe(2)
})
