/** Memory plans on the tfjs backend: it uses as much memory as planned, and variables change together or not at all. */
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import {
  add,
  compile,
  concatenate,
  crossEntropy,
  efficientNet,
  exp,
  float32,
  graph,
  rmsprop,
  slice,
  tanh,
  trainingStep,
} from '../../src/index.ts'
import { normedNet, rows, squaresStep } from '../support/small-steps.ts'

const backend = await createTfjsBackend({ backend: 'cpu' })

/** tfjs-cpu with a hook: every new buffer passes through `write`. */
interface Cpu {
  write(values: ArrayBufferView, shape: number[], dtype: string): object
  disposeData(dataId: object, force?: boolean): boolean
  readonly data: { has(dataId: object): boolean }
}
const cpu = tf.findBackend('cpu') as unknown as Cpu
const { write, disposeData } = cpu
afterEach(() => {
  Object.assign(cpu, { write, disposeData })
})

/** The maximum number of bytes that buffers created from now on occupy together. */
const watchBytes = (): (() => number) => {
  const live = new Map<object, number>()
  let [bytes, most] = [0, 0]
  cpu.write = (...args) => {
    const dataId = write.apply(cpu, args)
    live.set(dataId, args[0].byteLength)
    bytes += args[0].byteLength
    most = Math.max(most, bytes)
    return dataId
  }
  cpu.disposeData = (dataId, force) => {
    const isGone = disposeData.call(cpu, dataId, force)
    if (!cpu.data.has(dataId)) {
      bytes -= live.get(dataId) ?? 0
      live.delete(dataId)
    }
    return isGone
  }
  return () => most
}

/** Random programs of kernels that allocate only their result, over values of several widths. */
type Draw = readonly [op: number, a: number, b: number]
const moving = (draws: readonly Draw[]) =>
  graph('moving', { x: float32('batch', 8) }, ({ x }) => {
    const values = [x]
    for (const [op, a, b] of draws) {
      const [first, second] = [values[a % values.length] ?? x, values[b % values.length] ?? x]
      const width = first.shape[1] ?? 8
      if (op === 0) values.push(exp(first))
      if (op === 1) values.push(tanh(first))
      if (op === 2 && second.shape[1] === width) values.push(add(first, second))
      if (op === 3 && width < 512) values.push(concatenate([first, first], 1) as typeof x)
      if (op === 4 && width > 8)
        values.push(
          slice(
            first,
            [0, 0],
            first.shape.map((size, axis) => (axis === 0 ? size : size / 2)),
          ) as typeof x,
        )
    }
    return { y: values.at(-1) ?? x, z: values[draws.length % values.length] ?? x }
  })

test('a run allocates the bytes of the plan', async () => {
  const x = rows(4, 8, 1)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(4), fc.nat(99), fc.nat(99)), { maxLength: 30 }), async (draws) => {
      using net = await compile(moving(draws), { backend, batch: 4 })
      const most = watchBytes()
      for (const result of Object.values(await net.run({ x }))) result.dispose()
      Object.assign(cpu, { write, disposeData })
      expect(most()).toBe(net.plan.peakBytes)
      expect(net.plan.lowerBoundBytes).toBe(net.plan.peakBytes)
    }),
    { numRuns: 60 },
  )
})

test('a run that fails at any allocation changes no variable', async () => {
  const model = squaresStep(normedNet(), { optimizer: rmsprop({ learningRate: 0.1 }), emaDecay: 0.9 })
  const feeds = { x: rows(4, 3, 2), wanted: rows(4, 2, 3) }
  using net = await compile(model, { backend, batch: 4 })
  using undisturbed = await compile(model, { backend, batch: 4 })
  const run = async (each = net): Promise<void> => {
    for (const result of Object.values(await each.run(feeds))) result.dispose()
  }
  /** Runs while one allocation fails. Returns the number of allocations before it. */
  const runFailing = async (failing: number, outcome: (run: Promise<void>) => Promise<unknown>): Promise<number> => {
    let made = 0
    cpu.write = (...args) => {
      if (made === failing) throw new RangeError('no memory left')
      made++
      return write.apply(cpu, args)
    }
    await outcome(run())
    cpu.write = write
    return made
  }
  await run()
  const before = await net.variables.save()
  const count = await runFailing(Number.POSITIVE_INFINITY, (whole) => whole)
  expect(count).toBeGreaterThan(50)
  await net.variables.load(before)
  for (let failing = 0; failing < count; failing++) {
    await runFailing(failing, (broken) => expect(broken).rejects.toThrow('no memory left'))
    expect(await net.variables.save()).toEqual(before)
  }
  await run()
  await run(undisturbed)
  await run(undisturbed)
  expect(await net.variables.save()).toEqual(await undisturbed.variables.save())
})

test.each([96, 224])('a training step of B0 at batch 8 and %i pixels stays within its memory budget', async (size) => {
  // The memory that the listed order needs is slightly larger.
  const before = { 96: 137_478_924, 224: 719_928_076 }[size] as number
  const wasm = await createTfjsBackend({ backend: 'wasm' })
  const step = trainingStep(efficientNet('b0', { resolution: size }), {
    loss: crossEntropy({ labelSmoothing: 0.1 }),
    optimizer: rmsprop({ learningRate: 1e-3 }),
    weightDecay: 1e-5,
    emaDecay: 0.9999,
  })
  using net = await compile(step, { backend: wasm, batch: 8 })
  const { peakBytes, lowerBoundBytes } = net.plan
  expect(peakBytes).toBeLessThanOrEqual(before)
  expect(peakBytes).toBeLessThanOrEqual(1.1 * (lowerBoundBytes as number))
})

test.each(['wasm', 'cpu'] as const)(
  'tensors disposed of right after the call: tfjs of %s no longer counts them',
  async (name) => {
    const model = graph('doubled', { x: float32(1) }, ({ x }) => ({ y: add(x, x) }))
    using net = await compile(model, { backend: await createTfjsBackend({ backend: name }) })
    await tf.setBackend(name)
    const counts = () => [tf.memory().numTensors, tf.memory().numDataBuffers, tf.memory().numBytes]
    const before = counts()
    for (let i = 0; i < 5; i++) {
      const fed = tf.tensor1d([i])
      const running = net.run({ x: fed })
      fed.dispose()
      const { y } = await running
      expect(await y.data()).toEqual(Float32Array.of(2 * i))
      y.dispose()
    }
    expect(counts()).toEqual(before)
  },
)
