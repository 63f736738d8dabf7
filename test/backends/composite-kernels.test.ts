/** Users' kernels for composites: they run if they fit, are compared with the body, and never run for another body. */
import * as tf from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { compile } from '../../src/compile.ts'
import { composite, maximum, mul, relu } from '../../src/ir/functions.ts'
import { graph } from '../../src/ir/model.ts'
import { float32, type Value } from '../../src/ir/value.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { loss } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { mean } from '../../src/ir/functions.ts'
import { verifyKernel } from '../../src/testing/index.ts'

type Matrix = Value<'float32', 2>
const leaky = (alpha: number, kernel = 'LeakyRelu', kernelAlpha = alpha) =>
  composite('leaky', (x: Matrix): Matrix => maximum(x, mul(x, alpha)), {
    lower: { tfjs: { kernel, operands: ['x'], attrs: { alpha: kernelAlpha } } },
  })
const opened = () => createTfjsBackend({ backend: 'cpu' })
const kernelsOf = async (net: {
  profile(inputs: { x: number[][] }): Promise<readonly { readonly kernel: string }[]>
}) => (await net.profile({ x: [[-4, 4]] })).map(({ kernel }) => kernel)

/** A kernel as a user registers it: it doubles numbers, and is wrong above 3. */
const registered = { kernelName: 'EffuseTestTwice', backendName: 'cpu' }
beforeAll(() => {
  tf.registerKernel({
    ...registered,
    kernelFunc: ({ inputs, backend }) => {
      const x = inputs['x'] as tf.TensorInfo
      const cpu = backend as {
        data: { get(id: object): { values: Float32Array } }
        makeTensorInfo(shape: number[], dtype: string, values: Float32Array): tf.TensorInfo
      }
      return cpu.makeTensorInfo(
        x.shape,
        'float32',
        cpu.data.get(x.dataId).values.map((v) => (v > 3 ? v : 2 * v)),
      )
    },
  })
})
afterAll(() => tf.unregisterKernel(registered.kernelName, registered.backendName))

describe("a user's kernel for a composite", () => {
  test('runs instead of the body, with the results of the body', async () => {
    const own = leaky(0.25)
    const model = graph('m', { x: float32(1, 2) }, ({ x }) => ({ y: relu(own(own(x))) }))
    using net = await compile(model, { backend: await opened() })
    expect((await kernelsOf(net)).filter((kernel) => kernel === 'LeakyRelu')).toHaveLength(2)
    const { y } = await net.run({ x: [[-4, 4]] })
    expect(await y.data()).toEqual(Float32Array.of(0, 4))
  })

  test('a composite of the same name that computes something else keeps its body', async () => {
    leaky(0.5) // not applied: nothing is known about it
    const [quarter, half] = [leaky(0.25), composite('leaky', (x: Matrix): Matrix => maximum(x, mul(x, 0.5)))]
    const model = graph('m', { x: float32(1, 2) }, ({ x }) => ({ a: quarter(x), b: half(x) }))
    using net = await compile(model, { backend: await opened() })
    expect((await kernelsOf(net)).filter((kernel) => kernel === 'LeakyRelu')).toHaveLength(1)
    const { a, b } = await net.run({ x: [[-4, 4]] })
    expect([await a.data(), await b.data()]).toEqual([Float32Array.of(-1, 4), Float32Array.of(-2, 4)])
  })

  test('on other backends, without such a kernel, and in training, the body runs', async () => {
    const own = leaky(0.125, 'NoSuchKernel')
    const model = graph('m', { x: float32('batch', 2) }, ({ x }, b) => ({
      y: own(mul(x, b.variable('w', { shape: [1, 2], init: { kind: 'ones' } }) as Matrix)),
    }))
    for (const backend of ['reference', await opened()] as const) {
      using net = await compile(model, { backend })
      const { y } = await net.run({ x: [[-8, 4]] })
      expect(await y.data()).toEqual(Float32Array.of(-1, 4))
    }
    const step = trainingStep(model, {
      loss: loss({}, ({ y }) => mean(y as Matrix)),
      optimizer: sgd({ learningRate: 1 }),
    })
    using training = await compile(step, { backend: await opened(), batch: 1 })
    await training.run({ x: [[-8, 4]] })
    expect(await training.variables.get('w')).toEqual(Float32Array.of(1.5, -1)) // w - dy/dw: 1 + 8 * 0.125 / 2, 1 - 4 / 2
  })

  test('verifyKernel() detects a wrong kernel', async () => {
    const backend = await opened()
    expect((await verifyKernel(backend, leaky(0.25), { runs: 30 })).failures).toEqual([])
    const [failure] = (await verifyKernel(backend, leaky(0.25, 'LeakyRelu', 0.5), { runs: 30 })).failures
    expect(failure?.counterexample.inputs['x0']).toHaveLength(1)
    expect(failure?.counterexample.inputs['x0']?.[0]).toBeLessThan(0)
  })

  test('may be registered by the user', async () => {
    const twice = composite('twice', (x: Matrix): Matrix => mul(x, 2), {
      lower: { tfjs: { kernel: registered.kernelName, operands: ['x'] } },
    })
    const [failure] = (await verifyKernel(await opened(), twice, { operands: [['n', 3]], runs: 40 })).failures
    expect(Math.max(...(failure?.counterexample.inputs['x0'] ?? []))).toBeGreaterThan(3)
  })

  test.each([
    [{ wasm: {} }, 'lower takes kernels for tfjs, got one for "wasm"'],
    [{ tfjs: { kernel: 'A' } }, 'a kernel of tfjs has a name and the names of its operands'],
    [{ tfjs: { kernel: 'A', operands: ['x'], attrs: 3 } }, 'attrs of the kernel must be an object'],
    [3, 'lower takes kernels by backend, got 3'],
  ])('an invalid kernel is rejected: %j', (lower, message) => {
    const wrong = composite('leaky', (x: Matrix): Matrix => relu(x), { lower: lower as never })
    expect(() => graph('m', { x: float32(1, 2) }, ({ x }) => ({ y: wrong(x) }))).toThrow(
      expect.objectContaining({ code: 'EF111', message: expect.stringContaining(message) }),
    )
  })
})
