/** Tensors of the user's tfjs as feeds and as copies of TensorFlow's results. The user's tfjs does not change. */
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tensorflow/tfjs-backend-wasm'
import { expect, test } from 'vitest'
import { toTfjsTensor, type UsersTfjs } from '../../../src/backends/tensorflow/index.ts'
import { compile } from '../../../src/compile.ts'
import { add, cast, greater } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import { float32 } from '../../../src/ir/value.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const doubled = graph('doubled', { x: float32('batch', 3) }, ({ x }) => ({ y: add(x, x) }))

tensorflowOrSkip('tf.Tensors on TensorFlow', () => {
  test('are fed by a copy; backend, memory and tensors of tfjs stay', async () => {
    await tf.setBackend('cpu')
    using net = await compile(doubled, { backend: 'tensorflow' })
    const given = tf.tensor2d([[1, 2, 3]])
    const before = tf.memory()
    const { y } = await net.run({ x: given })
    expect(tf.memory()).toEqual(before)
    expect(tf.getBackend()).toBe('cpu')
    expect([...(await given.data())]).toEqual([1, 2, 3])
    // A result of the device feeds the next run.
    expect([...(await (await net.run({ x: y })).y.data())]).toEqual([4, 8, 12])
    given.dispose()
  })

  test('toTfjsTensor() makes a tensor of the backend that is set, with a copy of the values', async () => {
    await tf.setBackend('cpu')
    using net = await compile(doubled, { backend: 'tensorflow' })
    const { y } = await net.run({ x: [[1, 2, 3]] })
    const before = tf.memory()
    const tensor = await toTfjsTensor<tf.Tensor2D>(y, tf)
    expect(tf.memory().numTensors).toBe(before.numTensors + 1)
    expect([tensor.shape, tensor.dtype]).toEqual([[1, 3], 'float32'])
    y.dispose()
    const sum = tf.add(tensor, 1)
    expect([...(await sum.data())]).toEqual([3, 5, 7])
    for (const mine of [tensor, sum]) mine.dispose()
    expect(tf.memory().numTensors).toBe(before.numTensors)
  })

  test.each(['cpu', 'wasm'])('toTfjsTensor() makes a tensor of the backend %s on request', async (name) => {
    for (const backend of ['wasm', 'cpu']) await tf.setBackend(backend) // starts both
    using net = await compile(doubled, { backend: 'tensorflow' })
    const { y } = await net.run({ x: [[1, 2, 3]] })
    const tensor = await toTfjsTensor(y, tf, { backend: name })
    expect(tf.getBackend()).toBe('cpu')
    const backend = tf.engine().findBackend(name)
    expect(backend.refCount(tensor.dataId)).toBe(1)
    expect(
      tf
        .engine()
        .findBackend(name === 'cpu' ? 'wasm' : 'cpu')
        .refCount(tensor.dataId),
    ).toBe(0)
    expect([...((await tensor.data()) as Float32Array)]).toEqual([2, 4, 6])
    tensor.dispose()
    expect(backend.refCount(tensor.dataId)).toBe(0)
  })

  test('toTfjsTensor() keeps integers and flags, and widens half types', async () => {
    await tf.setBackend('cpu')
    const all = graph('all', { x: float32('batch', 2) }, ({ x }) => ({
      half: cast(x, 'bfloat16'),
      integer: cast(x, 'int32'),
      isLarge: greater(x, 2),
    }))
    using net = await compile(all, { backend: 'tensorflow' })
    const results = await net.run({ x: [[1.00390625, 3]] }) // 1 + 2^-8 is half way between two numbers of bfloat16
    const made = await Promise.all(Object.values(results).map((result) => toTfjsTensor(result, tf)))
    expect(await Promise.all(made.map(async (one) => [one.dtype, [...((await one.data()) as Float32Array)]]))).toEqual([
      ['float32', [1, 3]],
      ['int32', [1, 3]],
      ['bool', [0, 1]],
    ])
    for (const tensor of made) tensor.dispose()
  })

  test('toTfjsTensor() rejects unsupported values, with advice', async () => {
    using net = await compile(doubled, { backend: 'tensorflow' })
    using other = await compile(doubled, { backend: 'reference' })
    const [{ y }, { y: foreign }] = [await net.run({ x: [[1, 2, 3]] }), await other.run({ x: [[1, 2, 3]] })]
    const before = tf.memory().numTensors
    await expect(toTfjsTensor(foreign, tf)).rejects.toMatchObject({
      code: 'EF402',
      message: expect.stringContaining('a result of the backend tensorflow'),
    })
    await expect(toTfjsTensor(y, tf, { backend: 'webgl' })).rejects.toMatchObject({
      code: 'EF404',
      message: 'tfjs has no backend "webgl" that runs',
      hint: expect.stringContaining("tf.setBackend('webgl')"),
    })
    await expect(toTfjsTensor(y, {} as UsersTfjs)).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringContaining('must be tfjs'),
    })
    y.dispose()
    await expect(toTfjsTensor(y, tf)).rejects.toMatchObject({ code: 'EF402' })
    expect(tf.memory().numTensors).toBe(before)
  })
})
