/** tf.Tensors of the user's tfjs as feeds of TensorFlow: what is the user's stays as it was. */
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { expect, test } from 'vitest'
import { compile } from '../../../src/compile.ts'
import { add } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import { float32 } from '../../../src/ir/value.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

tensorflowOrSkip('tf.Tensors on TensorFlow', () => {
  test('are fed by a copy, and results become tensors; backend, memory and tensors of tfjs stay', async () => {
    await tf.setBackend('cpu')
    const doubled = graph('doubled', { x: float32('batch', 3) }, ({ x }) => ({ y: add(x, x) }))
    using net = await compile(doubled, { backend: 'tensorflow' })
    const given = tf.tensor2d([[1, 2, 3]])
    const before = tf.memory()
    const { y } = await net.run({ x: given })
    expect(tf.memory()).toEqual(before)
    expect(tf.getBackend()).toBe('cpu')
    const back = tf.tensor2d(Float32Array.from(await y.data()), [1, 3])
    expect([...(await tf.add(back, given).data())]).toEqual([3, 6, 9])
    // A result of the device feeds the next run.
    expect([...(await (await net.run({ x: y })).y.data())]).toEqual([4, 8, 12])
  })
})
