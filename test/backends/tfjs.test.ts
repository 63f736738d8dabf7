/** The tfjs backend against the reference: op by op, on random graphs with broadcasts and updates, and inside of the user's tfjs. */
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Backend, DeviceTensor } from '../../src/backends/backend.ts'
import { hostArrayOf } from '../../src/backends/backend.ts'
import { createTfjsBackend, tfjsDeviations, toTensor } from '../../src/backends/tfjs/index.ts'
import { Builder } from '../../src/ir/build.ts'
import { prepareFeeds, releaseFeeds } from '../../src/executable/feeds.ts'
import { makeResult } from '../../src/executable/results.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { elements, type Graph } from '../../src/ir/types.ts'
import type { Value } from '../../src/ir/value.ts'
import { feedsFor } from '../../src/testing/index.ts'
import { testOps } from '../support/op-conformance.ts'
import { expectRandomGraphs } from '../support/random-graphs.ts'
import { applied, expectClose, runnableOf } from '../support/one-graph.ts'

const names = ['wasm', 'cpu'] as const
const backends = new Map<string, Backend>()
const backendOf = (name: string): Backend => backends.get(name) as Backend // made below

beforeAll(async () => {
  for (const name of names) backends.set(name, await createTfjsBackend({ backend: name }))
})

const padded = (before: number, after: number) =>
  [
    [before, after],
    [before, after],
  ] as const

/** The number of buffers on a backend, as tfjs counts them. */
const bufferCount = (name: string): number => tf.findBackend(name).numDataIds()

describe.each(names)('tfjs-%s', (name) => {
  testOps('conforms to the reference', () => backendOf(name), { runs: 25, refused: ['float16', 'bfloat16'] })

  const emulating = (): Promise<Backend> => createTfjsBackend({ backend: name, emulateHalf: true })
  testOps('conforms in half types, if it may emulate them', emulating, { runs: 40, seed: 2, refused: [] })

  test.each(['float16', 'bfloat16'] as const)('a cast to %s does not round its operand', async (to) => {
    const b = new Builder('cast')
    const x = b.input('x', { dtype: 'float32', shape: [3] })
    const half = b.cast(x, to)
    const g = b.finish({ back: b.cast(half, 'float32'), twice: b.add(x, x) })
    const { run, dispose } = await runnableOf(await emulating(), g, new Map())
    const inputs = { x: Float32Array.of(0.1, 1 + 2 ** -12, -3.3) }
    const want = interpret(g, { inputs }).outputs
    const got = await run(inputs)
    for (const name of ['back', 'twice']) expect([...(got[name] ?? [])]).toEqual([...(want[name]?.data ?? [])])
    dispose()
  })

  test('runs random graphs as the reference does, including updates, and leaks no buffer', async () => {
    const before = bufferCount(name)
    await expectRandomGraphs(backendOf(name), 60)
    expect(bufferCount(name)).toBe(before)
  })

  test('keeps memory flat over 100 runs with updates', async () => {
    const b = new Builder('train')
    const x = b.input('x', { dtype: 'float32', shape: [2, 6, 6, 3] })
    const w = b.variable('w', { shape: [3, 3, 3, 4] })
    const y = b.unary('relu', b.conv2d(x, w, { strides: 2 }))
    const dw = b.emit1('conv2dFilterGradient', [x, y], {
      strides: [2, 2],
      padding: 'same',
      dilations: [1, 1],
      resultDtype: null,
      filterShape: [3, 3, 3, 4],
    })
    b.update(w, b.sub(w, b.mul(dw, 0.01)))
    const g = b.finish({ loss: b.reduceSum(y, [0, 1, 2, 3]), w })
    const { run, dispose } = await runnableOf(
      backendOf(name),
      g,
      new Map([['w', Float32Array.from({ length: 108 }, (_, i) => Math.sin(i))]]),
    )
    const feeds = { x: Float32Array.from({ length: 216 }, (_, i) => Math.cos(i)) }
    await run(feeds)
    const before = [bufferCount(name), tf.memory().numTensors, tf.memory().numDataBuffers]
    for (let i = 0; i < 100; i++) await run(feeds)
    expect([bufferCount(name), tf.memory().numTensors, tf.memory().numDataBuffers]).toEqual(before)
    dispose()
  })

  test('frees its buffers when a step fails', async () => {
    const b = new Builder('fails')
    const x = b.input('x', { dtype: 'float32', shape: [4] })
    const z = b.input('z', { dtype: 'float32', shape: [4] })
    const w = b.variable('w', { shape: [4] })
    const y = b.tanh(b.mul(b.exp(b.add(x, z)), w))
    const { runWith, dispose } = await runnableOf(backendOf(name), b.finish({ y }), new Map())
    const before = bufferCount(name)
    const type = { dtype: 'float32', shape: [4] } as const
    // x already has its buffer when z is found to be missing.
    await expect(runWith(new Map([['x', { type, host: new Float32Array(4) }]]))).rejects.toMatchObject({
      code: 'EF401',
    })
    expect(bufferCount(name)).toBe(before)
    dispose()
  })

  // Large enough for the patches of the filter gradient to be computed in several groups, and for every edge of a strided, dilated window.
  test.each([
    { op: 'conv2d', x: [1, 300, 300, 16], kernel: [3, 3, 16, 2], strides: [1, 1], dilations: [1, 1], padding: 'same' },
    {
      op: 'conv2d',
      x: [2, 33, 30, 5],
      kernel: [5, 3, 5, 7],
      strides: [3, 2],
      dilations: [2, 1],
      padding: [
        [3, 0],
        [1, 4],
      ],
    },
    // A window of one element with padding before or after is not a product.
    { op: 'conv2d', x: [1, 4, 5, 2], kernel: [1, 1, 2, 3], strides: [1, 1], dilations: [1, 1], padding: padded(1, 0) },
    { op: 'conv2d', x: [1, 4, 5, 2], kernel: [1, 1, 2, 3], strides: [1, 1], dilations: [1, 1], padding: padded(0, 1) },
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
  ] as const)(
    'gradients of $op $kernel, strides $strides, dilations $dilations, padding $padding',
    async ({ op, x, kernel, ...window }) => {
      const b = new Builder('gradients')
      const [image, filter] = [
        b.input('x', { dtype: 'float32', shape: x }),
        b.input('kernel', { dtype: 'float32', shape: kernel }),
      ]
      const attrs = { ...window, resultDtype: null }
      const dy = b.mul(b.emit1(op, [image, filter], attrs), 0.125)
      const g = b.finish({
        dx: b.emit1(`${op}InputGradient`, [dy, filter], { ...attrs, inputShape: x }),
        dw: b.emit1(`${op}FilterGradient`, [image, dy], { ...attrs, filterShape: kernel }),
      })
      const wave = (shape: readonly number[], pace: number): Float32Array =>
        Float32Array.from({ length: elements(shape) }, (_, i) => Math.sin(i * pace) / 4)
      const inputs = { x: wave(x, 0.7), kernel: wave(kernel, 1.3) }
      const want = interpret(g, { inputs, mode: 'float64' }).outputs
      const { run, dispose } = await runnableOf(backendOf(name), g, new Map())
      const got = await run(inputs)
      for (const output of ['dx', 'dw']) {
        const { data } = want[output] as { data: Float64Array } // outputs of the graph
        const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
        expectClose(got[output], data, 2e-5 * Math.max(1, largest))
      }
      dispose()
    },
  )

  test('fuses bias and activation into convolutions and products, with the same results', async () => {
    const g = fusable()
    const backend = backendOf(name)
    const fused = applied([...backend.legalize, ...backend.fuse], g, backend)
    expect(fused.nodes.flatMap((n) => (n?.op === 'fusion' ? [n.attrs.kind] : []))).toEqual([
      'tfjs.conv2d',
      'tfjs.depthwiseConv2d',
      'tfjs.conv2d',
      'tfjs.matmul',
    ])
    expect(fused.nodes.some((n) => n?.op === 'relu6' || n?.op === 'sigmoid')).toBe(false)
    const { inputs, variables } = feedsFor(g, 5)
    const want = interpret(g, { inputs, variables, mode: 'float64' }).outputs['y']
    const { run, dispose } = await runnableOf(backend, g, variables, [...backend.legalize, ...backend.fuse])
    expectClose((await run(inputs))['y'], want?.data ?? [], 1e-5)
    dispose()
  })

  test('does not treat a vector along another axis of equal size as a bias', async () => {
    const backend = backendOf(name)
    const b = new Builder('g')
    const [x, kernel, v] = [[2, 2], [2, 2], [2]].map((shape, i) => b.input(`x${i}`, { dtype: 'float32', shape }))
    const product = b.matmul(x as Value, kernel as Value)
    const [rows] = b.emit('broadcast', [v as Value], { shape: [2, 2], axes: [0] })
    const g = b.finish({ y: b.add(product, rows as Value) })
    const { run, dispose } = await runnableOf(backend, g, new Map(), [...backend.legalize, ...backend.fuse])
    const { y } = await run({ x0: [1, 2, 3, 4], x1: [1, 0, 0, 1], x2: [10, 20] })
    expect([...(y ?? [])]).toEqual([11, 12, 23, 24])
    dispose()
  })

  test('does not fuse a value with other uses', () => {
    const b = new Builder('shared')
    const y = b.conv2d(
      b.input('x', { dtype: 'float32', shape: [1, 4, 4, 2] }),
      b.variable('w', { shape: [1, 1, 2, 2] }),
    )
    const z = b.unary('relu', y)
    const g = b.finish({ y, z })
    expect(applied(backendOf(name).fuse, g, backendOf(name))).toBe(g)
  })

  test('reads a scalar condition and returns the selected tensor', async () => {
    const b = new Builder('guard')
    const x = b.input('x', { dtype: 'float32', shape: [3] })
    const ok = b.compare('gt', b.reduceSum(x, [0]), 0)
    const { run, dispose } = await runnableOf(backendOf(name), b.finish({ y: b.select(ok, x, b.mul(x, 0)) }), new Map())
    expect([...((await run({ x: [1, 2, 3] }))['y'] ?? [])]).toEqual([1, 2, 3])
    expect([...((await run({ x: [-1, -2, Number.NaN] }))['y'] ?? [])]).toEqual([-0, -0, Number.NaN])
    dispose()
  })

  test('profiles kernels', async () => {
    const g = fusable()
    const { inputs, variables } = feedsFor(g, 1)
    const { runnable, store, dispose } = await runnableOf(backendOf(name), g, variables)
    const feeds = new Map([
      [
        'x',
        { type: { dtype: 'float32', shape: [1, 5, 5, 3] } as const, host: hostArrayOf('float32', inputs['x'] ?? []) },
      ],
    ])
    const at = { seed: 0, runIndex: 0, replica: 0 }
    const rows = await store.turn((turn) => runnable.profile(turn, ['run'], feeds, at))
    expect(rows.map(({ kernel }) => kernel)).toEqual(
      expect.arrayContaining(['Conv2D', 'DepthwiseConv2dNative', 'BatchMatMul']),
    )
    expect(rows.every(({ ms }) => ms >= 0)).toBe(true)
    expect(runnable.plan.kernels).toBe(rows.length)
    dispose()
  })
})

/** Convolutions, a depthwise convolution and a product, each with bias and activation. One bias is the square of a variable. */
const fusable = (): Graph => {
  const b = new Builder('fusable')
  const weight = (name: string, shape: readonly number[]): Value => b.variable(name, { shape })
  let x = b.input('x', { dtype: 'float32', shape: [1, 5, 5, 3] })
  x = b.unary('relu6', b.add(b.conv2d(x, weight('a', [3, 3, 3, 4]), { strides: 2 }), weight('a/bias', [4])))
  const bias = weight('b/bias', [4])
  x = b.unary('sigmoid', b.add(b.depthwiseConv2d(x, weight('b', [3, 3, 4, 1])), b.mul(bias, bias)))
  x = b.unary('elu', b.conv2d(x, weight('c', [1, 1, 4, 4])))
  const flat = b.reshape(x, [3, 12])
  return b.finish({
    y: b.unary('relu', b.add(weight('d/bias', [2]), b.matmul(flat, weight('d', [2, 12]), { transposeB: true }))),
  })
}

describe("the user's tfjs", () => {
  const double = (): Graph => {
    const b = new Builder('double')
    const x = b.input('x', { dtype: 'float32', shape: [1, 2] })
    return b.finish({ y: b.add(x, x) })
  }
  const type = { dtype: 'float32', shape: [1, 2] } as const
  /** Feeds a value of the user's tfjs. */
  const fed = async (
    name: string,
    tensor: object | DeviceTensor,
  ): Promise<{ readonly y: DeviceTensor; readonly dispose: () => void }> => {
    const { runWith, dispose } = await runnableOf(backendOf(name), double(), new Map())
    const feeds = await prepareFeeds({ x: tensor }, new Map([['x', type]]), backendOf(name))
    const y = (await runWith(feeds)).get('y') as DeviceTensor // the graph's output
    releaseFeeds(feeds)
    return { y, dispose }
  }

  test('its backend and its default do not change', async () => {
    const backend = tf.getBackend()
    const { run, dispose } = await runnableOf(backendOf('wasm'), double(), new Map())
    await run({ x: [1, 2] })
    dispose()
    expect(tf.getBackend()).toBe(backend)
    // tf.ready() selects the highest priority: importing the packages set 2 for wasm and 1 for cpu.
    expect(Object.values(tf.engine().registryFactory).map(({ priority }) => priority)).toEqual([0, 0])
    expect(process.listeners('unhandledRejection').map(String)).not.toContain('function (reason) { throw reason; }')
  })

  test('works on another backend at the same time, and its tensors can be fed', async () => {
    await tf.setBackend('cpu')
    const tensor = tf.tensor2d([[1, 2]])
    for (const name of names) {
      const before = bufferCount(name)
      const { y, dispose } = await fed(name, tensor)
      expect([...(await y.read())]).toEqual([2, 4])
      y.dispose()
      dispose()
      expect(bufferCount(name)).toBe(before)
    }
    expect(tf.getBackend()).toBe('cpu')
    expect(tensor.isDisposed).toBe(false)
    expect(tf.add(tensor, 1).dataSync()).toEqual(Float32Array.of(2, 3))
    tensor.dispose()
  })

  test('a tensor on the same backend is used without a copy, and results come back as tensors', async () => {
    await tf.setBackend('wasm')
    const tensor = tf.tensor2d([[3, 4]])
    const before = bufferCount('wasm')
    const first = await fed('wasm', tensor)
    expect(bufferCount('wasm')).toBe(before + 1)
    const second = await fed('wasm', makeResult('y', first.y, await createTfjsBackend({ backend: 'wasm' })))
    const result = makeResult('y', second.y, await createTfjsBackend({ backend: 'wasm' }))
    const asTensor = toTensor<tf.Tensor2D>(result)
    result.dispose()
    first.y.dispose()
    const product = tf.mul(asTensor, 2)
    expect([...product.dataSync()]).toEqual([24, 32])
    tf.dispose([asTensor, product, tensor])
    for (const { dispose } of [first, second]) dispose()
    expect(bufferCount('wasm')).toBe(before - 1)
    expect(() => toTensor(result)).toThrow('disposed')
  })

  test('a feed that is not a tensor gives an error that names the input', async () => {
    const tensor = tf.tensor2d([[3, 4]])
    tensor.dispose()
    await expect(fed('cpu', tensor)).rejects.toThrow(/disposed/)
    await expect(fed('cpu', { shape: [1, 2] })).rejects.toMatchObject({
      code: 'EF402',
      message: expect.stringContaining('"x"'),
    })
  })
})

describe('errors', () => {
  test('a backend that tfjs does not have', async () => {
    await expect(createTfjsBackend({ backnd: 'cpu' } as never)).rejects.toMatchObject({
      code: 'EF403',
      hint: 'did you mean "backend"?',
    })
    await expect(createTfjsBackend({ backend: 'webnn' })).rejects.toMatchObject({
      code: 'EF404',
      message: expect.stringContaining('"webnn"'),
    })
  })

  test('half types without emulation are rejected, not widened', async () => {
    const b = new Builder('half')
    const y = b.exp(b.input('x', { dtype: 'float16', shape: [2] }))
    await expect(runnableOf(backendOf('wasm'), b.finish({ y }), new Map())).rejects.toMatchObject({
      code: 'EF405',
      hint: expect.stringContaining('emulateHalf'),
    })
  })

  test('auto selects wasm in Node', async () => {
    expect((await createTfjsBackend()).name).toBe('tfjs-wasm')
  })
})

describe('a NaN in a contraction with relu', () => {
  const one = { dtype: 'float32', shape: [1, 1, 1, 1] } as const
  const relus = ['relu', 'relu6'] as const
  const contractions = ['conv2d', 'depthwiseConv2d', 'matmul'] as const
  /** relu(x w) with one number each. In training there is also an update of w. */
  const graphOf = (op: (typeof contractions)[number], relu: (typeof relus)[number], isTraining: boolean): Graph => {
    const b = new Builder('nan')
    const [x, w] = [b.input('x', one), b.variable('w', { shape: [1, 1, 1, 1] })]
    const y = op === 'matmul' ? b.matmul(b.reshape(x, [1, 1]), b.reshape(w, [1, 1])) : b[op](x, w)
    const z = b.reshape(b.unary(relu, y), [1, 1, 1, 1])
    if (isTraining) b.update(w, b.add(w, z))
    return b.finish({ z })
  }
  const outputOf = async (name: string, g: Graph, isFused: boolean): Promise<number | undefined> => {
    const backend = backendOf(name)
    const passes = [...backend.legalize, ...(isFused ? backend.fuse : [])]
    const { run, dispose } = await runnableOf(backend, g, new Map([['w', [1]]]), passes)
    const [output] = (await run({ x: [Number.NaN] }))['z'] ?? []
    dispose()
    return output
  }
  test.each(contractions.flatMap((op) => relus.map((relu) => [op, relu] as const)))(
    '%s, %s: kept, except for the listed deviation',
    async (op, relu) => {
      for (const name of names) {
        expect(await outputOf(name, graphOf(op, relu, false), false)).toBeNaN()
        expect(await outputOf(name, graphOf(op, relu, true), true)).toBeNaN()
      }
      expect(await outputOf('cpu', graphOf(op, relu, false), true)).toBeNaN()
      expect(
        tfjsDeviations.filter(({ backend, ops }) => backend === 'tfjs-wasm' && ops.includes('fusion')),
      ).toHaveLength(1)
    },
  )
  test('the listed deviation exists: fused in inference on wasm', async () => {
    for (const relu of relus) expect(await outputOf('wasm', graphOf('matmul', relu, false), true)).toBe(0)
  })
})
