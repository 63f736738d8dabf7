/** The program of the page of webgpu.test.ts: a tfjs program that uses effuse in between, on WebGPU if it is available. */
import '@tensorflow/tfjs-backend-webgpu'
import * as tf from '@tensorflow/tfjs-core'
import { createTfjsBackend, toTensor } from '../../src/backends/tfjs/index.ts'
import { add, compile, EffuseError, float32, graph, mul } from '../../src/index.ts'

export interface WebgpuProgram {
  /** The backend that createTfjsBackend() selects, and (2 x^2 + 1) * 10 for 1, 2, 3, with the square and the product computed by tfjs. */
  auto(): Promise<{ readonly backend: string; readonly result: readonly number[] }>
  /** The backend's name, or the error's code and message. */
  named(): Promise<string>
  /** The error of a run after the device was lost, and the next backend. */
  lose(): Promise<readonly string[]>
}

const model = graph('line', { x: float32(1, 3) }, ({ x }) => ({ y: add(mul(x, 2), 1) }))
const describeError = (error: unknown): string =>
  error instanceof EffuseError ? `${error.code}: ${error.message}` : `not ours: ${String(error)}`

const program: WebgpuProgram = {
  auto: async () => {
    const backend = await createTfjsBackend()
    await tf.setBackend(backend.name.replace('tfjs-', ''))
    using net = await compile(model, { backend })
    const square = tf.square(tf.tensor2d([[1, 2, 3]]))
    const { y } = await net.run({ x: square })
    const result = tf.mul(toTensor<tf.Tensor2D>(y), 10)
    return { backend: net.backend, result: [...(await result.data())] }
  },
  named: () => createTfjsBackend({ backend: 'webgpu' }).then(({ name }) => name, describeError),
  lose: async () => {
    const backend = await createTfjsBackend({ backend: 'webgpu' })
    const net = await compile(model, { backend })
    const { y } = await net.run({ x: [[1, 2, 3]] })
    const { device } = tf.findBackend('webgpu') as unknown as { readonly device: { destroy(): void } } // WebGPU's own
    device.destroy()
    const late = [y.data(), net.run({ x: [[1, 2, 3]] }).then(({ y }) => y.data())].map((call) =>
      call.then(String, describeError),
    )
    const codes = await Promise.all(late)
    using next = await compile(model, { backend: await createTfjsBackend({ backend: 'webgpu' }) })
    return [...codes, String(await (await next.run({ x: [[1, 2, 3]] })).y.data())]
  },
}
Object.assign(globalThis, { webgpu: program })
