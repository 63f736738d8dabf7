/** Large feeds are copied once, at the call of run(), to memory of TensorFlow. Bytes stay bytes in that copy. */
import { beforeEach, expect, test, vi } from 'vitest'
import type { Backend } from '../../../src/backends/backend.ts'
import type { TensorflowApi } from '../../../src/backends/tensorflow/c-api.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { compile } from '../../../src/compile.ts'
import { bool, cast, float32, graph, int32, mul, select } from '../../../src/index.ts'
import { parse } from '../../../src/ir/parse.ts'
import type { CountedApi } from '../../support/counted-api.ts'
import { runnableOf } from '../../support/one-graph.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

let apis: CountedApi[] = []
vi.mock('../../../src/backends/tensorflow/c-api.ts', async (original) => {
  const { countedModule } = await import('../../support/counted-api.ts') // vi.mock() runs before the imports
  return countedModule(await original(), (api) => apis.push(api))
})

const count = 70_000
const bytes = (Kind: typeof Uint8Array | typeof Uint8ClampedArray) =>
  new Kind(Array.from({ length: count }, (_, i) => i % 251))

tensorflowOrSkip('large feeds of TensorFlow', () => {
  let backend: Backend
  beforeEach(async () => {
    apis = []
    backend = await createTensorflowBackend()
  })
  const alive = () => apis[0]?.alive()

  const thrice = graph('thrice', { x: float32(count) }, ({ x }) => ({ y: mul(x, 3) }))
  test.each([
    ['bytes', bytes(Uint8Array)],
    ['clamped bytes', bytes(Uint8ClampedArray)],
    ['a part of a larger array of bytes', new Uint8Array([7, 7, 7, ...bytes(Uint8Array), 7]).subarray(3, 3 + count)],
    ['bytes that threads share', new Uint8Array(new SharedArrayBuffer(count)).fill(9)],
    ['numbers', Float32Array.from({ length: count }, (_, i) => i / 7)],
  ])('%s: the caller may change the array after the call', async (_, given) => {
    using net = await compile(thrice, { backend })
    const expected = Float32Array.from(given, (x) => Math.fround(x) * 3)
    const runs = [net.run({ x: given as Float32Array })]
    given.fill(1)
    runs.push(net.run({ x: given as Float32Array }))
    given.fill(2)
    const [first, second] = await Promise.all(runs)
    expect(await first?.y.data()).toEqual(expected)
    expect(await second?.y.data()).toEqual(new Float32Array(count).fill(3))
  })

  test.each(['int32', 'float16', 'bfloat16'] as const)('bytes for %s', async (dtype) => {
    const g = parse(`graph g {
      %x = input() {name="x"} : ${dtype}[${count}]
      %y = reverse(%x) {axes=[0]} : ${dtype}[${count}]
      return y = %y\n}`)
    const { runWith, dispose } = await runnableOf(backend, g, new Map())
    const type = { dtype, shape: [count] } as const
    const tensor = backend.upload?.(bytes(Uint8Array), type) ?? null
    if (tensor === null) throw new Error('the feed is large')
    expect(Array.from(await tensor.read())).toEqual(Array.from(bytes(Uint8Array)))
    const y = await (await runWith(new Map([['x', { type, tensor }]]))).get('y')?.read()
    expect(Array.from(y ?? [])).toEqual(Array.from(bytes(Uint8Array)).reverse())
    dispose()
  })

  test('conditions and integers', async () => {
    const model = graph('m', { c: bool(count), n: int32(count) }, ({ c, n }) => ({
      y: select(c, cast(n, 'float32'), -1),
    }))
    using net = await compile(model, { backend })
    const c = Uint8Array.from({ length: count }, (_, i) => i % 2)
    const n = Int32Array.from({ length: count }, (_, i) => -i)
    const { y } = await net.run({ c, n })
    expect(await y.data()).toEqual(Float32Array.from(n, (x, i) => (c[i] === 1 ? x : -1)))
  })

  test('V8 holds no memory for them', async () => {
    using net = await compile(thrice, { backend })
    const given = new Float32Array(count)
    const before = process.memoryUsage().arrayBuffers
    const pending = net.run({ x: given })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(given.byteLength / 4)
    await pending
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(given.byteLength / 4)
  })

  test('are freed after a run, after a wrong feed beside them, and after a failed run', async () => {
    const model = graph('m', { x: float32(count), z: float32(count) }, ({ x, z }) => ({ y: mul(x, z) }))
    using net = await compile(model, { backend })
    const runOnce = async () => (await net.run({ x: bytes(Uint8Array), z: new Float32Array(count) })).y.dispose()
    const before = alive()
    const isFreed = () => vi.waitFor(() => expect(alive()).toEqual(before))
    await runOnce()
    await isFreed()
    await expect(net.run({ x: bytes(Uint8Array), z: new Float32Array(2) })).rejects.toMatchObject({ code: 'EF402' })
    await expect(net.run({ x: bytes(Uint8Array), z: 'z' as never })).rejects.toMatchObject({ code: 'EF402' })
    await isFreed()
    const api = apis[0]?.api as TensorflowApi
    const failing = vi.spyOn(api, 'execute').mockImplementation((...args) => args[4](new Error('no')))
    await expect(net.run({ x: bytes(Uint8Array), z: new Float32Array(count) })).rejects.toThrow('no')
    failing.mockRestore()
    await isFreed()
    await runOnce()
    await isFreed()
  })
})
