/** tfjs on WebGPU at the limits of a device: buffer sizes, dispatches and memory. */
import * as tf from '@tensorflow/tfjs-core'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { create } from 'webgpu'
import type { Backend } from '../../src/backends/backend.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { fitsDispatch, partsOfRows } from '../../src/backends/tfjs/webgpu/large.ts'
import { isWebgpu, type WebgpuBackend } from '../../src/backends/tfjs/webgpu/shader.ts'
import { compile } from '../../src/index.ts'
import { Builder } from '../../src/ir/build.ts'
import { elements, type Graph } from '../../src/ir/types.ts'
import { runnableOf } from '../support/one-graph.ts'
import { normedNet, rows, squaresStep } from '../support/small-steps.ts'
import { hasAdapter } from '../support/webgpu.ts'

/** Methods of WebGPU, and tfjs's pool of buffers. */
interface Creator {
  createBuffer(how: { readonly mappedAtCreation?: boolean }): { destroy(): void }
}
interface Instance extends WebgpuBackend {
  readonly bufferManager: { readonly freeBuffers: Map<string, unknown> }
}
/** The tfjs instance that effuse shares. */
const instance = (): Instance => {
  const backend = tf.findBackend('webgpu') as object as Parameters<typeof isWebgpu>[0] // tfjs declares less
  if (!isWebgpu(backend)) throw new Error('tfjs has no WebGPU backend')
  return backend as Instance
}

afterEach(() => {
  vi.restoreAllMocks()
})

test.each([
  [2_097_120, 1],
  [2_097_152, 2],
  [2_097_123, 3],
  [2_097_143, null], // a prime
])('%d rows of a product are split into parts: %s', (many, parts) => {
  expect(partsOfRows(many)).toBe(parts)
  if (parts !== null) expect([many % parts, fitsDispatch(parts, many / parts, 1)]).toEqual([0, true])
})

describe.runIf(hasAdapter)('tfjs-webgpu', () => {
  let backend: Backend
  beforeAll(async () => {
    backend = await createTfjsBackend({ backend: 'webgpu' })
  })
  /** Small integers, so that sums are exact in any order. */
  const numbers = (length: number, by: number): Float32Array =>
    Float32Array.from({ length }, (_, i) => ((i * by) % 7) - 3)
  const outputOf = async (g: Graph, inputs: { readonly [name: string]: Float32Array }): Promise<ArrayLike<number>> => {
    const { run, dispose } = await runnableOf(backend, g, new Map(), [...backend.legalize, ...backend.fuse])
    const { y } = await run(inputs)
    dispose()
    return y ?? []
  }
  const firstWrong = (got: ArrayLike<number>, want: (i: number) => number): number => {
    for (let i = 0; i < got.length; i++) if (got[i] !== want(i)) return i
    return -1
  }

  // More than 65,535 workgroups: for batches, for rows that can be split, and for rows that cannot.
  test.each([
    { batch: 65_537, m: 2, k: 3, n: 2 },
    { batch: 1, m: 2_097_152, k: 2, n: 1 },
    { batch: 1, m: 2_097_143, k: 2, n: 2 },
  ])('a product of $batch x [$m,$k] and [$k,$n]', async ({ batch, m, k, n }) => {
    for (const transposeB of [false, true]) {
      const b = new Builder('product')
      const [xs, ws] = [
        [batch, m, k],
        [batch, transposeB ? n : k, transposeB ? k : n],
      ]
      const [x, w] = [b.input('x', { dtype: 'float32', shape: xs }), b.input('w', { dtype: 'float32', shape: ws })]
      const g = b.finish({ y: b.emit1('matmul', [x, w], { transposeA: false, transposeB, resultDtype: null }) })
      const inputs = { x: numbers(batch * m * k, 3), w: numbers(batch * k * n, 5) }
      const got = await outputOf(g, inputs)
      expect(got).toHaveLength(batch * m * n)
      const wrong = firstWrong(got, (i) => {
        const [sample, row, column] = [Math.floor(i / (m * n)), Math.floor(i / n) % m, i % n]
        let sum = 0
        for (let at = 0; at < k; at++)
          sum +=
            (inputs.x[(sample * m + row) * k + at] ?? 0) *
            (inputs.w[sample * k * n + (transposeB ? column * k + at : at * n + column)] ?? 0)
        return sum
      })
      expect(wrong).toBe(-1)
    }
  })

  test.each([
    { shape: [1, 1450, 1450, 1], filters: 2 },
    { shape: [65_537, 3, 2, 1], filters: 1 },
  ] as const)('a convolution over $shape, with bias and relu', async ({ shape, filters }) => {
    const b = new Builder('convolution')
    const [x, w] = [
      b.input('x', { dtype: 'float32', shape }),
      b.input('w', { dtype: 'float32', shape: [2, 2, 1, filters] }),
    ]
    const padding = [
      [0, 1],
      [1, 0],
    ] as const
    const bias = b.broadcast(
      b.input('bias', { dtype: 'float32', shape: [filters] }),
      [...shape.slice(0, 3), filters],
      [3],
    )
    const y = b.unary('relu', b.add(b.conv2d(x, w, { padding }), bias))
    const [, height, width] = shape
    const inputs = {
      x: numbers(elements(shape), 3),
      w: numbers(4 * filters, 5),
      bias: numbers(filters, 1),
    }
    const got = await outputOf(b.finish({ y }), inputs)
    expect(got).toHaveLength(inputs.x.length * filters)
    const wrong = firstWrong(got, (i) => {
      const [f, at] = [i % filters, Math.floor(i / filters)]
      const [sample, oy, ox] = [Math.floor(at / (height * width)), Math.floor(at / width) % height, at % width]
      let sum = inputs.bias[f] ?? 0
      for (const [tap, py, px] of [
        [0, oy, ox - 1],
        [1, oy, ox],
        [2, oy + 1, ox - 1],
        [3, oy + 1, ox],
      ] as const)
        if (py < height && px >= 0)
          sum += (inputs.x[(sample * height + py) * width + px] ?? 0) * (inputs.w[tap * filters + f] ?? 0)
      return Math.max(sum, 0)
    })
    expect(wrong).toBe(-1)
  })

  test('if the device refuses a buffer, reading results and variables of the run reports it', async () => {
    const net = await compile(squaresStep(normedNet()), { backend, batch: 2 })
    const feeds = { x: rows(2, 3, 1), wanted: rows(2, 2, 1) }
    for (const result of Object.values(await net.run(feeds))) result.dispose()
    const { device } = instance() as unknown as { readonly device: Creator }
    const make = device.createBuffer.bind(device)
    // A buffer of the requested size that is invalid, as after a lack of memory.
    const spy = vi.spyOn(device, 'createBuffer').mockImplementation((how) => {
      const buffer = make(how)
      if (how.mappedAtCreation !== true) buffer.destroy()
      return buffer
    })
    instance().bufferManager.freeBuffers.clear()
    const { loss, ...others } = await net.run(feeds)
    const unread = loss.item() // it has no buffer to be copied to
    spy.mockRestore()
    const problem = { message: expect.stringContaining('destroyed') }
    await expect(unread).rejects.toMatchObject(problem)
    await expect(loss.item()).rejects.toMatchObject(problem)
    await expect(net.variables.get('first/kernel')).rejects.toMatchObject(problem)
    await expect(net.variables.save()).rejects.toMatchObject(problem)
    for (const result of [loss, ...Object.values(others)]) result.dispose()
    net.dispose()
    await new Promise((resolve) => setImmediate(resolve))
    instance().bufferManager.freeBuffers.clear()
  })

  test('user settings that prevent kernels from running do not affect a run', async () => {
    using net = await compile(squaresStep(normedNet()), { backend, batch: 2 })
    const feeds = { x: rows(2, 3, 1), wanted: rows(2, 2, 1) }
    tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', true)
    const { loss } = await net.run(feeds)
    expect(await loss.item()).toBeGreaterThan(0)
    expect(tf.env().get('WEBGPU_ENGINE_COMPILE_ONLY')).toBe(true)
    tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', false)
  })

  test("a user's device with too low limits is rejected, with the missing limits", async () => {
    const gpu = create([])
    const small = await (await gpu.requestAdapter({ featureLevel: 'compatibility' }))?.requestDevice()
    const other = Object.assign(Object.create(Object.getPrototypeOf(instance()) as object), instance(), {
      device: small,
    }) as WebgpuBackend
    tf.removeBackend('webgpu')
    await expect(createTfjsBackend({ backend: other })).rejects.toMatchObject({
      code: 'EF404',
      message: expect.stringMatching(
        /^the device .* is too small: .*maxComputeInvocationsPerWorkgroup is 128, needed are 256/,
      ),
      hint: expect.stringContaining('requiredLimits'),
    })
  })
})
