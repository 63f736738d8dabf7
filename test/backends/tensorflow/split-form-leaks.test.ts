/** Batches and images that are computed in parts leave no handles and no functions in either context. */
import { expect, test, vi } from 'vitest'
import type { TensorflowApi } from '../../../src/backends/tensorflow/c-api.ts'
import type { TensorflowContext } from '../../../src/backends/tensorflow/context.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { oneDnnAbilities } from '../../../src/backends/tensorflow/one-dnn-trial.ts'
import { compile } from '../../../src/compile.ts'
import { float32, graph, mul, nn, silu } from '../../../src/index.ts'
import type { CountedApi } from '../../support/counted-api.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

// Small graphs are split, too.
vi.mock('../../../src/backends/tensorflow/small-work.ts', () => ({ smallBatch: 0, smallImages: 0 }))

const apis: CountedApi[] = []
vi.mock('../../../src/backends/tensorflow/c-api.ts', async (original) => {
  const { countedModule } = await import('../../support/counted-api.ts') // vi.mock() runs before the imports
  return countedModule(await original(), (api) => apis.push(api))
})

const threads = 2
const net = graph('net', { x: float32('batch', 17, 17, 3), scale: float32(5) }, ({ x, scale }) => ({
  y: silu(nn.conv2d(x, { name: 'conv', filters: 5, kernel: 3, bias: true })),
  scale: mul(scale, 2),
}))
const feedsFor = (batch: number) => ({
  x: Float32Array.from({ length: batch * 867 }, (_, i) => Math.sin(i)),
  scale: new Float32Array(5),
})

tensorflowOrSkip('parts on TensorFlow', () => {
  test.each([
    ['of a batch', 2],
    ['of the rows of an image', 1],
  ])('parts %s: 1,000 runs with changes of variables and failures between them, and disposals', async (_, batch) => {
    const feeds = feedsFor(batch)
    const backend = await createTensorflowBackend({ intraOpThreads: threads })
    const { keepsFilters } = await oneDnnAbilities(backend.device as TensorflowContext) // of this backend
    const { api, alive } = apis.at(-1) as CountedApi // of this backend
    const got = await compile(net, { backend, batch })
    const runs = async (count: number) => {
      for (let i = 0; i < count; i++) for (const result of Object.values(await got.run(feeds))) result.dispose()
    }
    await runs(4)
    const before = alive()
    // The second context has two forms: one for the first runs, and one that keeps filters. For a batch each has a function of its own for a part.
    const isSplit = keepsFilters && api.hasSeparatePools
    const ofForm = batch === 1 ? 1 : 2
    expect(before).toMatchObject({
      functions: isSplit ? 1 + 2 * ofForm : keepsFilters ? 2 : 1,
      contexts: isSplit ? 2 : 1,
    })
    await runs(500)
    const failing = vi.spyOn(api, 'execute').mockImplementation((...[, , , , done]) => done(new Error('failed')))
    for (let i = 0; i < 20; i++) await expect(got.run(feeds)).rejects.toThrow('failed')
    failing.mockRestore()
    await runs(500)
    expect(alive()).toEqual(before)
    await got.variables.set('conv/bias', [1, 2, 3, 4, 5])
    await runs(2)
    expect(alive().functions).toBe(isSplit ? 1 + ofForm : 1)
    await runs(4)
    expect(alive()).toEqual(before)
    got.dispose()
    const contexts = isSplit ? 2 : 1
    const nothing = { handles: 0, tensors: 0, ops: 0, statuses: contexts, buffers: 0, functions: 0, contexts }
    await vi.waitFor(() => expect(alive()).toEqual(nothing))
    backend.dispose()
    expect(alive()).toMatchObject({ statuses: 0, contexts: 0 })
  })

  test('a function that TensorFlow refuses', async () => {
    const [batch, feeds] = [2, feedsFor(2)]
    const backend = await createTensorflowBackend({ intraOpThreads: threads })
    const { api, alive } = apis.at(-1) as CountedApi // of this backend
    const got = await compile(net, { backend, batch })
    const run = async () => Promise.all(Object.values(await got.run(feeds)).map(async (y) => y.dispose()))
    for (let i = 0; i < 2; i++) await run()
    const before = alive()
    const add: TensorflowApi['contextAddFunctionDef'] = api.contextAddFunctionDef
    let count = 0
    const refusing = vi
      .spyOn(api, 'contextAddFunctionDef')
      .mockImplementation((context, proto, size, status) =>
        add(context, count++ === 1 ? Uint8Array.of(255) : proto, count === 2 ? 1 : size, status),
      )
    await run().catch((error: unknown) => expect(error).toMatchObject({ code: 'EF405' }))
    refusing.mockRestore()
    if (count === 2) expect(alive()).toEqual(before)
    await run()
    got.dispose()
    backend.dispose()
    expect(alive()).toMatchObject({ contexts: 0 })
  })
})
