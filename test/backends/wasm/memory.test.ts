/** The memory of the backend wasm: what is freed, what is kept, and whether plans match the use. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import { compileStep } from '../../../src/backends/wasm/compile-step.ts'
import { planDispatches } from '../../../src/backends/wasm/dispatch-list.ts'
import { createWasmBackend } from '../../../src/backends/wasm/index.ts'
import { makeKernelLibrary } from '../../../src/backends/wasm/kernel-library.ts'
import type { WasmDevice } from '../../../src/backends/wasm/runtime/device.ts'
import { compile } from '../../../src/compile.ts'
import { read } from '../../../src/executable/results.ts'
import {
  add,
  crossEntropy,
  efficientNet,
  float32,
  graph,
  matmul,
  mul,
  nn,
  relu,
  reshape,
  rmsprop,
  sgd,
  trainingStep,
  type Value,
} from '../../../src/index.ts'
import type { Model } from '../../../src/ir/model.ts'
import { checkPlan } from '../../../src/passes/memory/check-plan.ts'
import { inferencePipeline, trainingPipeline } from '../../../src/passes/standard-pipelines.ts'
import { graphSteps, programOf } from '../../../src/passes/program.ts'
import { runPipeline } from '../../../src/passes/runner.ts'
import { stepOptionsOf } from '../../../src/passes/train/declaration.ts'

let backend: Backend
beforeAll(async () => {
  backend = await createWasmBackend({ threads: 2 })
})
afterAll(() => backend.dispose())

const usedBytes = (): number => (backend.device as WasmDevice).space.usedBytes

const classifier = graph('net', { x: float32('batch', 16) }, ({ x }) => ({
  logits: nn.dense(relu(nn.dense(x, { name: 'first', units: 24 })), { name: 'second', units: 8 }),
}))
const xOf = (batch: number): Float32Array => Float32Array.from({ length: batch * 16 }, (_, i) => Math.sin(i))

describe('no memory leaks', () => {
  test('300 runs with disposed results use no more memory than the first; dispose() frees all', async () => {
    const before = usedBytes()
    const net = await compile(classifier, { backend, batch: 3 })
    const run = async (): Promise<void> => {
      const { logits } = await net.run({ x: xOf(3) })
      logits.dispose()
    }
    await run()
    const after = usedBytes()
    for (let i = 0; i < 300; i++) await run()
    expect(usedBytes()).toBe(after)
    net.dispose()
    await new Promise((resolve) => setImmediate(resolve))
    expect(usedBytes()).toBe(before)
  })

  test('300 training steps, which replace all variables and their packed forms', async () => {
    const before = usedBytes()
    const step = trainingStep(classifier, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) })
    const net = await compile(step, { backend, batch: 3 })
    const run = async (): Promise<number> => {
      const results = await net.run({ x: xOf(3), label: [0, 1, 2] })
      const { loss } = await read(results)
      for (const result of Object.values(results)) result.dispose()
      return loss
    }
    const first = await run()
    const after = usedBytes()
    let last = first
    for (let i = 0; i < 300; i++) last = await run()
    expect(last).toBeLessThan(first / 10)
    expect(usedBytes()).toBe(after)
    net.dispose()
    await new Promise((resolve) => setImmediate(resolve))
    expect(usedBytes()).toBe(before)
  })

  test('an aborted compilation', async () => {
    const before = usedBytes()
    const control = new AbortController()
    const compiling = compile(classifier, {
      backend,
      batch: 3,
      signal: control.signal,
      onProgress: () => control.abort(),
    })
    await expect(compiling).rejects.toThrow('aborted')
    await new Promise((resolve) => setImmediate(resolve))
    expect(usedBytes()).toBe(before)
  })
})

describe('results', () => {
  test('do not change while later runs use the same arena, also if they are fed to these runs', async () => {
    const model = graph('twice', { x: float32(1000) }, ({ x }) => ({ y: add(mul(x, 2), 1) }))
    using net = await compile(model, { backend })
    const first = await net.run({ x: new Float32Array(1000).fill(1) })
    const second = await net.run({ x: first.y })
    const third = await net.run({ x: second.y })
    first.y.dispose()
    expect([...new Set(await third.y.data())]).toEqual([15])
    expect([...new Set(await second.y.data())]).toEqual([7])
  })

  test('can be inputs, variables, views and the same value twice', async () => {
    const model = graph('aliases', { x: float32(2, 3) }, ({ x }, b) => {
      const w = b.variable('w', { shape: [3, 2], init: { kind: 'ones' } }) as Value<'float32', 2>
      const flat = reshape(x, [6])
      const y = matmul(x, w)
      return { x, flat, w, y, again: y, line: reshape(y, [4]) }
    })
    using net = await compile(model, { backend })
    const { x, flat, w, y, again, line } = await read(
      await net.run({
        x: [
          [1, 2, 3],
          [4, 5, 6],
        ],
      }),
    )
    expect([x, flat].map((data) => [...data])).toEqual([
      [1, 2, 3, 4, 5, 6],
      [1, 2, 3, 4, 5, 6],
    ])
    expect([...w]).toEqual([1, 1, 1, 1, 1, 1])
    expect([y, again, line].map((data) => [...data])).toEqual([
      [6, 6, 15, 15],
      [6, 6, 15, 15],
      [6, 6, 15, 15],
    ])
  })
})

test('packed weights follow the variables: after set(), and after training of the same variables', async () => {
  using net = await compile(classifier, { backend, batch: 3 })
  using twin = await compile(classifier, { backend, batch: 3, variables: net.variables })
  const step = trainingStep(classifier, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) })
  using trainer = await compile(step, { backend, batch: 3, variables: net.variables })
  using reference = await compile(classifier, { backend: 'reference', batch: 3 })
  const x = xOf(3)
  const agree = async (): Promise<void> => {
    await reference.variables.load(await net.variables.save())
    const want = await read(await reference.run({ x }))
    for (const one of [net, twin]) {
      const { logits } = await read(await one.run({ x }))
      logits.forEach((value, i) => expect(value).toBeCloseTo(want.logits[i] as number, 5))
    }
  }
  await agree()
  await net.variables.set(
    'second/kernel',
    Float32Array.from({ length: 24 * 8 }, (_, i) => Math.cos(i)),
  )
  await agree()
  for (let i = 0; i < 3; i++) {
    await trainer.run({ x, label: [0, 1, 2] })
    await agree()
  }
})

describe('plans', () => {
  const lite = efficientNet('lite0', { resolution: 32, classes: 10 })
  const training = trainingStep(efficientNet('b0', { resolution: 32, classes: 10 }), {
    loss: crossEntropy(),
    optimizer: rmsprop({ learningRate: 1e-3 }),
    emaDecay: 0.99,
  })
  test.each<readonly [string, Model]>([
    ['classifier', classifier],
    ['lite0', lite],
    ['training of B0', training],
  ])('%s: every read finds its value, and the arena is at most 1.15 of the bound', (_, model) => {
    const options = stepOptionsOf(model)
    const switches = { simplify: true, fusion: true }
    const pipeline =
      options === null ? inferencePipeline(backend, switches) : trainingPipeline(backend, switches, options)
    const { program } = runPipeline(pipeline, programOf(model.at({ batch: 2 })), { target: backend.target })
    const library = makeKernelLibrary()
    for (const { graph: g } of graphSteps(program)) {
      const { memory } = planDispatches(compileStep(g, library), library, new Set(), backend.target.memory)
      expect(checkPlan(memory, backend.target.memory)).toEqual([])
      expect(memory.order.length).toBeGreaterThan(1)
      expect(memory.arenaBytes).toBeLessThanOrEqual(1.15 * memory.lowerBoundBytes + 4096)
    }
  })
})
