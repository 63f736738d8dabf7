/** Handles of TensorFlow are neither leaked nor freed twice, in runs, failures and disposals. */
import { beforeEach, expect, test, vi } from 'vitest'
import type { Backend, FeedTensor } from '../../../src/backends/backend.ts'
import type { TensorflowApi } from '../../../src/backends/tensorflow/c-api.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { compile } from '../../../src/compile.ts'
import { add, float32, graph, mul, sgd } from '../../../src/index.ts'
import { parse } from '../../../src/ir/parse.ts'
import type { CountedApi } from '../../support/counted-api.ts'
import { runnableOf } from '../../support/one-graph.ts'
import { normedNet, rows, squaresStep } from '../../support/small-steps.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

let apis: CountedApi[] = []
vi.mock('../../../src/backends/tensorflow/c-api.ts', async (original) => {
  const { countedModule } = await import('../../support/counted-api.ts') // vi.mock() runs before the imports
  return countedModule(await original(), (api) => apis.push(api))
})

tensorflowOrSkip('TensorFlow', () => {
  let backend: Backend
  beforeEach(async () => {
    apis = []
    backend = await createTensorflowBackend()
  })
  const alive = () => apis[0]?.alive()
  /** The handles of a new backend: its context with a status. */
  const nothing = { handles: 0, tensors: 0, ops: 0, statuses: 1, buffers: 0, functions: 0, contexts: 1 }

  test('1,000 runs of a training step', async () => {
    const step = squaresStep(normedNet(0.25), { accumulate: 2, emaDecay: 0.9, optimizer: sgd({ learningRate: 0.1 }) })
    const net = await compile(step, { backend, batch: 2 })
    const feeds = { x: rows(2, 3, 1), wanted: rows(2, 2, 2) }
    const runOnce = async () => {
      const results = await net.run(feeds)
      for (const result of Object.values(results)) result.dispose()
    }
    for (let n = 0; n < 4; n++) await runOnce()
    const before = alive()
    for (let n = 0; n < 1000; n++) await runOnce()
    expect(alive()).toEqual(before)
    expect(before).toMatchObject({ tensors: 0, ops: 0, statuses: 1, contexts: 1 })
    net.dispose()
    await vi.waitFor(() => expect(alive()).toEqual(nothing))
  })

  test('1,000 runs that TensorFlow rejects, with feeds of a wrong type and of a wrong shape', async () => {
    const g = parse(`graph g {
      %x = input() {name="x"} : float32[2,3]
      %w = variable() {name="w", init={kind="zeros"}} : float32[3]
      %b = broadcast(%w) {axes=[1], shape=[2, 3]} : float32[2,3]
      %s = mul(%x, %b) : float32[2,3] @ layer/scale
      %r = reshape(%s) {shape=[3, 2]} : float32[3,2] @ layer/rows
      %n = reduceSum(%x) {axes=[0]} : float32[3]
      update %w = %n
      return y = %r\n}`)
    const { run, runWith, store, dispose } = await runnableOf(backend, g, new Map([['w', [1, 2, 3]]]))
    const other = async (type: string, shape: string, data: readonly number[]): Promise<FeedTensor> => {
      const made = await runnableOf(
        backend,
        parse(
          `graph o { %x = input() {name="x"} : ${type}[${shape}]\n%y = reverse(%x) {axes=[0]} : ${type}[${shape}]\nreturn y = %y }`,
        ),
        new Map(),
      )
      const type32 = { dtype: 'float32', shape: [2, 3] } as const
      const host = type === 'int32' ? Int32Array.from(data) : Float32Array.from(data)
      const shapeOf = shape.split(',').map(Number)
      const feed = { type: { dtype: type as 'int32', shape: shapeOf }, host }
      const tensor = (await made.runWith(new Map([['x', feed]]))).get('y')
      made.dispose()
      if (tensor === undefined) throw new Error('no result')
      return { type: type32, tensor }
    }
    const feeds = [
      await other('int32', '2,3', [1, 2, 3, 4, 5, 6]),
      await other('float32', '4,3', new Array(12).fill(1)),
    ]
    await expect(runWith(new Map([['x', feeds[0] as FeedTensor]]))).rejects.toThrow() // the first run uploads w
    const before = alive()
    for (let n = 0; n < 1000; n++)
      await expect(runWith(new Map([['x', feeds[n % 2] as FeedTensor]]))).rejects.toMatchObject({ code: 'EF405' })
    expect(alive()).toEqual(before)
    await expect(runWith(new Map([['x', feeds[1] as FeedTensor]]))).rejects.toThrow(/layer\/(scale|rows)/)
    expect([...((await store.read(['w'])).get('w') ?? [])]).toEqual([1, 2, 3])
    expect((await run({ x: [1, 1, 1, 1, 1, 1] }))['y']).toEqual(Float32Array.of(1, 2, 3, 1, 2, 3))
    for (const feed of feeds) if ('tensor' in feed) feed.tensor.dispose()
    dispose()
    await vi.waitFor(() => expect(alive()).toEqual(nothing))
  })

  test('300 programs, compiled, run and disposed of', async () => {
    const model = graph('m', { x: float32(2) }, ({ x }, b) => {
      const w = b.variable('w', { shape: [2], init: { kind: 'ones' } })
      return { y: add(mul(x, w as typeof x), 1) }
    })
    for (let n = 0; n < 300; n++) {
      using net = await compile(model, { backend })
      const { y } = await net.run({ x: [n, 2] })
      expect([...(await y.data())]).toEqual([n + 1, 3])
      y.dispose()
    }
    await vi.waitFor(() => expect(alive()).toEqual(nothing))
  })

  test('a compilation that is aborted, or rejected by TensorFlow', async () => {
    const model = graph('m', { x: float32(2) }, ({ x }) => ({ y: add(x, 1) }))
    const stop = new AbortController()
    const onProgress = ({ stage }: { readonly stage: string }) => stage === 'lower' && stop.abort()
    const aborted = compile(squaresStep(normedNet(), { accumulate: 2 }), {
      backend,
      batch: 2,
      signal: stop.signal,
      onProgress,
    })
    await expect(aborted.then(String)).rejects.toThrow('abort')
    expect(alive()).toEqual(nothing)
    const api = apis[0]?.api as TensorflowApi
    const add2 = api.contextAddFunctionDef
    const refusing = vi
      .spyOn(api, 'contextAddFunctionDef')
      .mockImplementation((context, _proto, _size, status) => add2(context, Uint8Array.of(255), 1, status))
    await expect(compile(model, { backend }).then(String)).rejects.toMatchObject({ code: 'EF405' })
    refusing.mockRestore()
    expect(alive()).toEqual(nothing)
    using net = await compile(model, { backend })
    expect([...(await (await net.run({ x: [1, 2] })).y.data())]).toEqual([2, 3])
  })

  test('results of one context feed another', async () => {
    const other = await createTensorflowBackend()
    const model = graph('m', { x: float32(2) }, ({ x }) => ({ y: add(x, 1) }))
    using one = await compile(model, { backend })
    using two = await compile(model, { backend: other })
    using three = await compile(model, { backend: 'reference' })
    const first = await one.run({ x: [1, 2] })
    const second = await two.run({ x: first.y })
    const third = await three.run({ x: second.y })
    expect([...(await (await one.run({ x: third.y })).y.data())]).toEqual([5, 6])
  })

  test('a backend that is disposed of during a run, with live results', async () => {
    const model = graph('m', { x: float32(400, 400) }, ({ x }) => ({ y: mul(add(x, 1), 2) }))
    const net = await compile(model, { backend })
    const { y } = await net.run({ x: new Float32Array(160_000) })
    const pending = net.run({ x: new Float32Array(160_000) })
    await Promise.resolve()
    backend.dispose()
    backend.dispose()
    await pending.catch(() => {})
    await vi.waitFor(() => expect(alive()?.contexts).toBe(0))
    y.dispose()
    net.dispose()
    await expect(compile(model, { backend })).rejects.toMatchObject({ code: 'EF406' })
    await expect(y.data()).rejects.toMatchObject({ code: 'EF406' })
  })
})
