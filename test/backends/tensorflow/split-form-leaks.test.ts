/** Batches that are computed in parts leave no handles and no functions in either context. */
import { expect, test, vi } from 'vitest'
import type { TensorflowApi } from '../../../src/backends/tensorflow/c-api.ts'
import type { TensorflowContext } from '../../../src/backends/tensorflow/context.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { oneDnnAbilities } from '../../../src/backends/tensorflow/one-dnn-trial.ts'
import { compile } from '../../../src/compile.ts'
import { float32, graph, mul, nn, silu } from '../../../src/index.ts'
import type { CountedApi } from '../../support/counted-api.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const apis: CountedApi[] = []
vi.mock('../../../src/backends/tensorflow/c-api.ts', async (original) => {
  const { countedModule } = await import('../../support/counted-api.ts') // vi.mock() runs before the imports
  return countedModule(await original(), (api) => apis.push(api))
})

const batch = 2
const net = graph('net', { x: float32('batch', 9, 9, 3), scale: float32(5) }, ({ x, scale }) => ({
  y: silu(nn.conv2d(x, { name: 'conv', filters: 5, kernel: 3, bias: true })),
  scale: mul(scale, 2),
}))
const feeds = { x: Float32Array.from({ length: batch * 243 }, (_, i) => Math.sin(i)), scale: new Float32Array(5) }

tensorflowOrSkip('batches in parts on TensorFlow', () => {
  test('1,000 runs with changes of variables and failures between them, and disposals', async () => {
    const backend = await createTensorflowBackend({ intraOpThreads: batch })
    const { keepsFilters } = await oneDnnAbilities(backend.device as TensorflowContext) // of this backend
    const { api, alive } = apis[0] as CountedApi // of this backend
    const got = await compile(net, { backend, batch })
    const runs = async (count: number) => {
      for (let i = 0; i < count; i++) for (const result of Object.values(await got.run(feeds))) result.dispose()
    }
    await runs(4)
    const before = alive()
    // The second context has two functions of the batch and of a part: one for the first runs, and one that keeps filters.
    const isSplit = keepsFilters && api.hasSeparatePools
    expect(before).toMatchObject({ functions: isSplit ? 5 : keepsFilters ? 2 : 1, contexts: isSplit ? 2 : 1 })
    await runs(500)
    const failing = vi.spyOn(api, 'execute').mockImplementation((...[, , , , done]) => done(new Error('failed')))
    for (let i = 0; i < 20; i++) await expect(got.run(feeds)).rejects.toThrow('failed')
    failing.mockRestore()
    await runs(500)
    expect(alive()).toEqual(before)
    await got.variables.set('conv/bias', [1, 2, 3, 4, 5])
    await runs(2)
    expect(alive().functions).toBe(isSplit ? 3 : 1)
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
    const backend = await createTensorflowBackend({ intraOpThreads: batch })
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
