/** A graph whose model-form ops or composites no pass has replaced: a backend computes it, or says which pass must run. */
import { describe, expect, test } from 'vitest'
import { selectBackend } from '../../src/backends/select.ts'
import { dropout, float32, graph, mul, nn, softmax } from '../../src/index.ts'
import { runnableOf } from '../support/one-graph.ts'
import { withTensorflow } from '../support/tensorflow.ts'
import { withAdapter } from '../support/webgpu.ts'

const images = { x: float32('batch', 4, 4, 3) }

describe.each(['wasm', 'tfjs-wasm', 'tfjs-cpu', ...withAdapter, ...withTensorflow] as const)('%s', (name) => {
  test.each([
    ['batchNorm', graph('m', images, ({ x }) => ({ y: mul(nn.batchNorm(x, { name: 'stem/bn' }), 2) })), 'stem/bn'],
    ['dropout', graph('m', images, ({ x }) => ({ y: mul(dropout(x, { rate: 0.5 }), 2) })), ''],
  ])('%s: the pass that replaces it, and the path of the node', async (op, model, path) => {
    const { backend } = await selectBackend(name)
    await expect(runnableOf(backend, model.at({ batch: 2 }), new Map())).rejects.toMatchObject({
      code: 'EF405',
      path,
      message: `${path === '' ? '' : `${path}: `}the backend ${name} cannot run ${op} float32[2,4,4,3]: ${op} is a model-form op, which the pass to-inference or to-training must replace`,
      hint: 'compile the model by compile(), or run one of these passes first',
    })
  })

  test('a composite without the passes of the backend', async () => {
    const { backend } = await selectBackend(name)
    const g = graph('m', { x: float32('batch', 2) }, ({ x }) => ({ y: softmax(x) })).at({ batch: 1 })
    const made = runnableOf(backend, g, new Map(), [])
    if (name.startsWith('tfjs'))
      return expect(made).rejects.toMatchObject({
        code: 'EF405',
        message: expect.stringContaining('the pass decompose must replace softmax, and did not run'),
        hint: "run the backend's passes `legalize` before it compiles the program",
      })
    const { run, dispose } = await made
    const { y } = await run({ x: [0, Math.log(3)] })
    expect(y?.[0]).toBeCloseTo(0.25, 6)
    expect(y?.[1]).toBeCloseTo(0.75, 6)
    return dispose()
  })
})
