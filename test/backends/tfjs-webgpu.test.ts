/** tfjs on WebGPU: against the reference, without reads during a run, beside the user's tfjs. On a GPU, or on Mesa's lavapipe. */
import * as tf from '@tensorflow/tfjs-core'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { selectBackend } from '../../src/backends/select.ts'
import { createTfjsBackend, tfjsDeviations, toTensor } from '../../src/backends/tfjs/index.ts'
import { isWebgpu, type WebgpuBackend } from '../../src/backends/tfjs/webgpu/shader.ts'
import { add, compile, float32, graph, mul, rmsprop } from '../../src/index.ts'
import { doctor } from '../../src/inspect/index.ts'
import { Builder } from '../../src/ir/build.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { elements } from '../../src/ir/types.ts'
import { feedsFor } from '../../src/testing/index.ts'
import { testOps } from '../support/op-conformance.ts'
import { expectRandomGraphs } from '../support/random-graphs.ts'
import { applied, expectClose, runnableOf } from '../support/one-graph.ts'
import { normedNet, rows, squaresStep } from '../support/small-steps.ts'
import { hasAdapter } from '../support/webgpu.ts'

let opened: Promise<Backend> | null = null
const open = (): Promise<Backend> => {
  opened ??= createTfjsBackend({ backend: 'webgpu' })
  return opened
}
/** The tfjs instance that effuse shares. */
const instance = (): WebgpuBackend => {
  const backend = tf.findBackend('webgpu') as object as Parameters<typeof isWebgpu>[0] // tfjs declares less
  if (!isWebgpu(backend)) throw new Error('tfjs has no WebGPU backend')
  return backend
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe.runIf(hasAdapter)('tfjs-webgpu', () => {
  // Few cases of each op, since the driver compiles a program for each shape of a convolution. The tests of wasm and cpu have more.
  const refused = ['float16', 'bfloat16'] as const
  testOps('conforms to the reference', open, { runs: 3, refused })

  testOps("conforms in additional cases of ops with effuse's own programs", open, {
    runs: 25,
    seed: 7,
    ops: ['add', 'select', 'pad', 'reduceSum', 'topK', 'gather', 'remainder', 'pow', 'cast', 'maxPool2dGradient'],
    refused,
  })

  test('runs random graphs as the reference does, including updates, and leaks no buffer', async () => {
    const backend = await open()
    const before = instance().numDataIds()
    await expectRandomGraphs(backend, 15)
    expect(instance().numDataIds()).toBe(before)
  })

  test('transcendental functions are accurate at all magnitudes', async () => {
    const count = 512
    const b = new Builder('functions')
    const [x, y] = [
      b.input('x', { dtype: 'float32', shape: [count] }),
      b.input('y', { dtype: 'float32', shape: [count] }),
    ]
    const ops = [
      'exp',
      'expm1',
      'log',
      'log1p',
      'sin',
      'cos',
      'tanh',
      'erf',
      'sigmoid',
      'softplus',
      'elu',
      'rsqrt',
    ] as const
    const g = b.finish({
      ...Object.fromEntries(ops.map((op) => [op, b.unary(op, x)])),
      pow: b.binary('pow', x, y),
      remainder: b.binary('remainder', x, y),
    })
    const { run, dispose } = await runnableOf(await open(), g, new Map())
    for (const scale of [1e-4, 0.7, 3, 80, 2e4, 1e12, 1e30]) {
      const inputs = {
        x: Float32Array.from({ length: count }, (_, i) => (Math.sin(i * 3.7) * scale * (i + 1)) / count),
        y: Float32Array.from({ length: count }, (_, i) => Math.cos(i * 1.9) * 3),
      }
      const want = interpret(g, { inputs, mode: 'declared' }).outputs
      const got = await run(inputs)
      for (const [name, { data }] of Object.entries(want)) expectClose(got[name], data, 16 * 2 ** -23)
    }
    dispose()
  })

  // Every edge of strided, dilated windows, and products in slices.
  test.each([
    {
      op: 'conv2d',
      x: [2, 21, 18, 4],
      kernel: [5, 3, 4, 8],
      strides: [3, 2],
      dilations: [2, 1],
      padding: [
        [3, 0],
        [1, 4],
      ],
    },
    { op: 'conv2d', x: [2, 40, 40, 8], kernel: [1, 1, 8, 12], strides: [1, 1], dilations: [1, 1], padding: 'same' },
    {
      op: 'depthwiseConv2d',
      x: [3, 28, 29, 9],
      kernel: [5, 5, 9, 1],
      strides: [2, 2],
      dilations: [1, 1],
      padding: 'same',
    },
    {
      op: 'depthwiseConv2d',
      x: [2, 31, 40, 6],
      kernel: [3, 4, 6, 1],
      strides: [2, 3],
      dilations: [3, 2],
      padding: 'valid',
    },
  ] as const)('$op $kernel, strides $strides, and its gradients', async ({ op, x, kernel, ...window }) => {
    const b = new Builder('gradients')
    const [image, filter] = [
      b.input('x', { dtype: 'float32', shape: x }),
      b.input('kernel', { dtype: 'float32', shape: kernel }),
    ]
    const attrs = { ...window, resultDtype: null }
    const y = b.emit1(op, [image, filter], attrs)
    const dy = b.mul(y, 0.125)
    const g = b.finish({
      y,
      dx: b.emit1(`${op}InputGradient`, [dy, filter], { ...attrs, inputShape: x }),
      dw: b.emit1(`${op}FilterGradient`, [image, dy], { ...attrs, filterShape: kernel }),
    })
    const wave = (shape: readonly number[], pace: number): Float32Array =>
      Float32Array.from({ length: elements(shape) }, (_, i) => Math.sin(i * pace) / 4)
    const inputs = { x: wave(x, 0.7), kernel: wave(kernel, 1.3) }
    const want = interpret(g, { inputs, mode: 'float64' }).outputs
    const { run, dispose } = await runnableOf(await open(), g, new Map())
    const got = await run(inputs)
    for (const [name, { data }] of Object.entries(want)) {
      const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      expectClose(got[name], data, 2e-5 * Math.max(1, largest))
    }
    dispose()
  })

  test('fuses activations; a fused relu6 loses NaN, which is a listed deviation', async () => {
    const backend = await open()
    for (const relu of ['relu', 'relu6'] as const) {
      const b = new Builder('fused')
      const x = b.input('x', { dtype: 'float32', shape: [1, 3, 3, 2] })
      const y = b.unary(relu, b.conv2d(x, b.variable('w', { shape: [1, 1, 2, 2] })))
      const g = applied([...backend.legalize, ...backend.fuse], b.finish({ y }), backend)
      expect(g.nodes.some((node) => node?.op === 'fusion')).toBe(true)
      const first = async (passes: Backend['legalize']): Promise<readonly number[]> => {
        const variables = new Map([['w', [1, 1, 1, 1]]])
        const { run, dispose } = await runnableOf(backend, b.finish({ y }), variables, passes)
        const got = await run({ x: [Number.NaN, 1, ...new Array<number>(16).fill(0.5)] })
        dispose()
        return [...(got['y'] ?? [])].slice(0, 4)
      }
      expect(await first(backend.legalize)).toEqual([Number.NaN, Number.NaN, 1, 1])
      const lost = relu === 'relu6' ? 0 : Number.NaN
      expect(await first([...backend.legalize, ...backend.fuse])).toEqual([lost, lost, 1, 1])
    }
  })

  test.each(['conv2d', 'depthwiseConv2d'] as const)('a window of one element with bias and relu: %s', async (op) => {
    const backend = await open()
    const b = new Builder('pointwise')
    const x = b.input('x', { dtype: 'float32', shape: [1, 3, 3, 4] })
    const w = b.variable('w', { shape: op === 'conv2d' ? [1, 1, 4, 4] : [1, 1, 4, 1] })
    const g = b.finish({ y: b.unary('relu', b.add(b[op](x, w), b.variable('bias', { shape: [4] }))) })
    const { inputs, variables } = feedsFor(g, 3)
    const passes = [...backend.legalize, ...backend.fuse]
    expect(applied(passes, g, backend).nodes.some((node) => node?.op === 'fusion')).toBe(true)
    const { run, dispose } = await runnableOf(backend, g, variables, passes)
    const want = interpret(g, { inputs, variables, mode: 'float64' }).outputs['y']
    expectClose((await run(inputs))['y'], want?.data ?? [], 1e-5)
    dispose()
  })

  test('sums hundreds of tensors, and concatenates more than a program can bind', async () => {
    const count = 40
    const b = new Builder('many')
    const inputs = Array.from({ length: count }, (_, i) => b.input(`x${i}`, { dtype: 'float32', shape: [2, 1] }))
    const g = b.finish({ joined: b.concatenate(inputs, 1), fine: b.emit1('allFinite', inputs, {}) })
    const { run, dispose } = await runnableOf(await open(), g, new Map())
    const feeds = Object.fromEntries(inputs.map((_, i) => [`x${i}`, [i, i + 100]]))
    const numbers = Array.from({ length: count }, (_, i) => i)
    const got = await run(feeds)
    expect([...(got['joined'] ?? [])]).toEqual([...numbers, ...numbers.map((i) => i + 100)])
    expect([...(got['fine'] ?? [])]).toEqual([1])
    expect([...((await run({ ...feeds, x38: [0, -Infinity] }))['fine'] ?? [])]).toEqual([0])
    dispose()
  })

  test('a training step reads nothing back, and has one submission', async () => {
    using net = await compile(
      squaresStep(normedNet(0.3), { optimizer: rmsprop({ learningRate: 0.1 }), emaDecay: 0.9, lossScale: 'dynamic' }),
      {
        backend: await open(),
        batch: 4,
      },
    )
    const feeds = { x: rows(4, 3, 2), wanted: rows(4, 2, 3) }
    for (const result of Object.values(await net.run(feeds))) result.dispose()
    const backend = instance()
    const [read, readSync, submit] = [
      vi.spyOn(backend, 'read'),
      vi.spyOn(backend, 'readSync'),
      vi.spyOn(backend, 'submitQueue'),
    ]
    const results = await net.run(feeds)
    expect([read, readSync].map((spy) => spy.mock.calls.length)).toEqual([0, 0])
    expect(submit).toHaveBeenCalledTimes(1)
    for (const result of Object.values(results)) result.dispose()
  })

  test('keeps the old values if a step is not finite, with the flag on the device', async () => {
    using net = await compile(squaresStep(normedNet(), { lossScale: 'dynamic' }), { backend: await open(), batch: 2 })
    const before = await net.variables.get('first/kernel')
    const scale = await net.variables.get('lossScale/scale')
    const results = await net.run({
      x: [
        [Infinity, 1, 1],
        [1, 1, 1],
      ],
      wanted: rows(2, 2, 1),
    })
    expect(await results.finite.item()).toBe(false)
    expect(await net.variables.get('first/kernel')).toEqual(before)
    expect((await net.variables.get('lossScale/scale'))[0]).toBe((scale[0] as number) / 2)
  })

  test('300 runs leak no tensor and no memory, and repeat bit for bit', async () => {
    const model = squaresStep(normedNet(0.2), { optimizer: rmsprop({ learningRate: 0.01 }), emaDecay: 0.9 })
    const feeds = { x: rows(8, 3, 2), wanted: rows(8, 2, 3) }
    const trained = async (runs: number): Promise<Uint8Array> => {
      using net = await compile(model, { backend: await open(), batch: 8 })
      const counts = (): readonly number[] => {
        const { numBytesInGPU, numBytesAllocatedInGPU } = instance().memory()
        return [
          instance().numDataIds(),
          tf.memory().numTensors,
          tf.memory().numDataBuffers,
          numBytesInGPU,
          numBytesAllocatedInGPU,
        ]
      }
      let after10: readonly number[] = []
      for (let i = 0; i < runs; i++) {
        const { loss, ...others } = await net.run(feeds)
        if (i % 10 === 9) await loss.item()
        for (const result of [loss, ...Object.values(others)]) result.dispose()
        if (i === 19) after10 = counts()
      }
      if (runs > 20) expect(counts()).toEqual(after10)
      return net.variables.save()
    }
    await trained(300)
    expect(await trained(15)).toEqual(await trained(15))
  }, 300_000)

  test('profiles kernels', async () => {
    const b = new Builder('profiled')
    const x = b.input('x', { dtype: 'float32', shape: [8, 64] })
    const g = b.finish({ y: b.exp(b.matmul(x, b.variable('w', { shape: [64, 32] }))) })
    const { runnable, store, dispose } = await runnableOf(await open(), g, new Map())
    const feeds = new Map([['x', { type: { dtype: 'float32', shape: [8, 64] } as const, host: new Float32Array(512) }]])
    const profiled = await store.turn((turn) =>
      runnable.profile(turn, ['run'], feeds, { seed: 0, runIndex: 0, replica: 0 }),
    )
    expect(profiled.map(({ kernel }) => kernel)).toEqual(['BatchMatMul', 'exp'])
    expect(profiled.every(({ ms }) => ms > 0)).toBe(true)
    dispose()
  })

  test("the user's tensors are fed and returned on the device, and the user's settings stay", async () => {
    const backend = await open()
    await tf.setBackend('webgpu')
    const setting = tf.env().get('WEBGPU_CPU_FORWARD')
    using net = await compile(
      graph('doubled', { x: float32(1, 4) }, ({ x }) => ({ y: add(mul(x, 2), 1) })),
      { backend },
    )
    const before = instance().numDataIds()
    const upload = tf.tensor2d([[1, 2, 3, 4]])
    const made = tf.square(upload)
    const reads = [vi.spyOn(instance(), 'read'), vi.spyOn(instance(), 'readSync')]
    const { y } = await net.run({ x: made })
    const out = toTensor<tf.Tensor2D>(y)
    y.dispose()
    const after = tf.mul(out, tf.scalar(10))
    expect(reads.map((spy) => spy.mock.calls.length)).toEqual([0, 0])
    expect([...(await after.data())]).toEqual([30, 90, 190, 330])
    expect(tf.env().get('WEBGPU_CPU_FORWARD')).toBe(setting)
    expect(made.isDisposed).toBe(false)
    tf.dispose([upload, made, out, after])
    expect(instance().numDataIds()).toBeLessThanOrEqual(before + 1) // tf.scalar above
  })

  test('half types are rejected, and so is a tensor that no program can bind', async () => {
    const backend = await open()
    const half = new Builder('half')
    const y = half.exp(half.input('x', { dtype: 'float16', shape: [2] }))
    await expect(runnableOf(backend, half.finish({ y }), new Map())).rejects.toMatchObject({ code: 'EF405' })
    const limit = instance().device.limits.maxStorageBufferBindingSize
    const b = new Builder('large')
    const g = b.finish({
      y: b.reduceSum(b.broadcast(b.exp(b.input('x', { dtype: 'float32', shape: [2] })), [limit / 4, 2], [1]), [0]),
    })
    const { run, dispose } = await runnableOf(backend, g, new Map())
    await expect(run({ x: [1, 2] })).rejects.toMatchObject({
      code: 'EF409',
      message: expect.stringContaining('at most'),
    })
    dispose()
  })

  test('a software adapter is used only by name, and doctor lists it with its limits', async () => {
    const { backends, auto } = await doctor()
    const row = backends.find(({ name }) => name === 'tfjs-webgpu')
    expect(row).toMatchObject({ available: true, detail: expect.stringMatching(/bindings of [\d,]+ MiB; \d+ buffers/) })
    const isSoftware = row?.detail.includes('in software') ?? false
    expect(auto).toBe(isSoftware ? 'wasm' : 'tfjs-webgpu')
    expect((await selectBackend('auto')).backend.name).toBe(auto)
    expect((await selectBackend('tfjs-webgpu')).backend.name).toBe('tfjs-webgpu')
  })

  test('a second instance of tfjs on another device is rejected', async () => {
    await open()
    const other = Object.assign(Object.create(Object.getPrototypeOf(instance()) as object), instance()) as WebgpuBackend
    await expect(createTfjsBackend({ backend: other })).rejects.toMatchObject({
      code: 'EF404',
      message: expect.stringContaining('another device'),
    })
  })

  test('deviations are listed', () => {
    expect(tfjsDeviations.filter(({ backend }) => backend === 'tfjs-webgpu')).toHaveLength(4)
  })

  // This test is the last one, because it destroys the device.
  test('a lost device is reported, and the next compile() opens a new one', async () => {
    const backend = await open()
    const net = await compile(squaresStep(normedNet()), { backend, batch: 2 })
    const feeds = { x: rows(2, 3, 1), wanted: rows(2, 2, 1) }
    for (const result of Object.values(await net.run(feeds))) result.dispose()
    const { device } = instance() as unknown as { readonly device: { destroy(): void } } // WebGPU's own
    device.destroy()
    await backend.lost
    await expect(net.run(feeds)).rejects.toMatchObject({ code: 'EF410' })
    opened = null
    const fresh = await open()
    expect(fresh.device).not.toBe(backend.device)
    using again = await compile(squaresStep(normedNet()), { backend: fresh, batch: 2 })
    expect(await (await again.run(feeds)).loss.item()).toBeGreaterThan(0)
  })
})
