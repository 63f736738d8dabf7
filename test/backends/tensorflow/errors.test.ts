/** Errors of TensorFlow during a run: the error names the node of the graph, and no variable changes. */
import { beforeAll, expect, test } from 'vitest'
import type { Backend, FeedTensor } from '../../../src/backends/backend.ts'
import { errorOf } from '../../../src/backends/tensorflow/errors.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { parse } from '../../../src/ir/parse.ts'
import { runnableOf } from '../../support/one-graph.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const region = parse(`graph g {
  %x = input() {name="x"} : float32[2,3]
  %n = neg(%x) : float32[2,3] @ before
  %e = fusion(%n) {kind="loop", body=(%0: float32[2,3]) {
    %1 = exp(%0) : float32[2,3]
    %2 = cast(%1) {relaxed=true, to="float16"} : float16[2,3]
    %3 = cast(%2) {to="float32"} : float32[2,3]
    %4 = reshape(%3) {shape=[3,2]} : float32[3,2]
    return %4
  }} : float32[3,2] @ the/region
  return y = %e
}`)

test.each([
  ['[[{{node n2/n4/0}}]]', 'the/region (reshape in fusion)'],
  ['{{function_node effuse_16}} no [[{{node n1/0}}]] [[n2/n4/0]]', 'before (neg)'],
  ['{{function_node n1}} [[{{node const3/0}}]] [[{{node ConstantFolding/n1/2-folded}}]]', 'before (neg)'],
  ['[[{{node amp/n2/2/0}}]]', 'the/region (cast in fusion)'],
  ['[[{{node n2/n77/0}}]]', 'the/region (fusion)'],
])('%s is at %s', (message, name) => {
  const { message: said, path } = errorOf({ code: 3, message: `too odd ${message}` }, region)
  expect(said).toMatch(new RegExp(`^${name.replace(/[()]/g, '\\$&')}: TensorFlow refused g: too odd`))
  expect(path).toBe(name.split(' ')[0])
})

test.each(['[[{{node n99/0}}]]', '[[{{node x/n}}]]', 'n1', ''])(
  'a message without a node of the graph: %s',
  (message) => {
    const { code, path, message: said } = errorOf({ code: 3, message: `odd ${message}` }, region)
    expect([code, path]).toEqual(['EF405', undefined])
    expect(said).toMatch(/^TensorFlow refused g: odd/)
  },
)

test('is one line, without devices, traces and advice about another API', () => {
  const message =
    'OOM when allocating tensor with shape[2,3] and type float on /job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc\n\t [[{{node n1/1}}]]\nHint: add report_tensor_allocations_upon_oom'
  expect(errorOf({ code: 8, message }, region)).toMatchObject({
    code: 'EF409',
    message:
      'before (neg): TensorFlow ran out of memory: OOM when allocating tensor with shape[2,3] and type float on GPU:0',
    hint: expect.stringContaining('batch'),
  })
  expect(errorOf({ code: 3, message: 'x'.repeat(5000) }, null).message.length).toBeLessThan(600)
})

tensorflowOrSkip('TensorFlow', () => {
  let backend: Backend
  beforeAll(async () => {
    backend = await createTensorflowBackend()
  })
  /** Feeds a tensor on the device with a wrong shape, bypassing the checks of run(). */
  const wrongly = async (shape: readonly number[], size: number): Promise<FeedTensor> => {
    const g = parse(
      `graph o {\n%x = input() {name="x"} : float32[${size}]\n%y = neg(%x) : float32[${size}]\nreturn y = %y\n}`,
    )
    const made = await runnableOf(backend, g, new Map())
    const host = new Float32Array(size)
    const tensor = (await made.runWith(new Map([['x', { type: { dtype: 'float32', shape: [size] }, host }]]))).get('y')
    made.dispose()
    if (tensor === undefined) throw new Error('no result')
    return { type: { dtype: 'float32', shape }, tensor }
  }
  const one: FeedTensor = { type: { dtype: 'float32', shape: [] }, host: Float32Array.of(1) }

  test('an error names an update in a conditional, and no variable changes', async () => {
    const g = parse(`graph g {
      %x = input() {name="x"} : float32[3]
      %f = input() {name="f"} : bool[]
      %w = variable() {name="w", init={kind="zeros"}} : float32[3]
      %v = variable() {name="v", init={kind="zeros"}} : float32[3]
      %u = variable() {name="u", init={kind="zeros"}} : float32[]
      %r = input() {name="r"} : float32[]
      %a = add(%u, %r) : float32[]
      %s:2 = sgd(%w, %x, %v, %r, %f) {momentum=0.5, nesterov=false} : float32[3], float32[3] @ sgd(layer/w)
      update %u = %a
      update %w = %s.0
      update %v = %s.1
      return y = %a
    }`)
    const { runWith, store, dispose } = await runnableOf(backend, g, new Map([['w', [1, 2, 3]]]))
    const finite: FeedTensor = { type: { dtype: 'bool', shape: [] }, host: Uint8Array.of(1) }
    const feeds = new Map([...Object.entries({ x: await wrongly([3], 5), f: finite, r: one })])
    await expect(runWith(feeds)).rejects.toMatchObject({
      code: 'EF405',
      path: 'sgd(layer/w)',
      message: expect.stringMatching(/^sgd\(layer\/w\) \(sgd\): TensorFlow refused g: Incompatible shapes/),
    })
    const values = await store.read(['w', 'v', 'u'])
    expect([...values.values()].map((value) => [...value])).toEqual([[1, 2, 3], [0, 0, 0], [0]])
    dispose()
  })

  test('an error names the region of a node', async () => {
    const { runWith, dispose } = await runnableOf(backend, region, new Map())
    await expect(runWith(new Map([['x', await wrongly([2, 3], 7)]]))).rejects.toMatchObject({ path: 'the/region' })
    dispose()
  })

  test('a tensor that exceeds the memory gives EF409, and the next run is correct', async () => {
    // 128 TiB: more than a process can address.
    const g = parse(`graph g {
      %x = input() {name="x"} : float32[]
      %b = broadcast(%x) {axes=[], shape=[16777216, 2097152]} : float32[16777216,2097152]
      %e = sin(%b) : float32[16777216,2097152] @ large
      %y = reduceMax(%e) {axes=[0, 1]} : float32[]
      return y = %y
    }`)
    const { runWith, dispose } = await runnableOf(backend, g, new Map())
    await expect(runWith(new Map([['x', one]]))).rejects.toMatchObject({
      code: 'EF409',
      message: expect.stringContaining('16777216,2097152'),
    })
    dispose()
    const small = await runnableOf(
      backend,
      parse('graph s {\n%x = input() {name="x"} : float32[2]\n%y = neg(%x) : float32[2]\nreturn y = %y\n}'),
      new Map(),
    )
    expect((await small.run({ x: [1, 2] }))['y']).toEqual(Float32Array.of(-1, -2))
    small.dispose()
  })

  test('uses the given number of threads, and accepts a memory limit without a GPU', async () => {
    const other = await createTensorflowBackend({ intraOpThreads: 1, interOpThreads: 1024, memoryLimit: 512 })
    const g = parse('graph s {\n%x = input() {name="x"} : float32[2]\n%y = neg(%x) : float32[2]\nreturn y = %y\n}')
    const { run, dispose } = await runnableOf(other, g, new Map())
    expect((await run({ x: [1, 2] }))['y']).toEqual(Float32Array.of(-1, -2))
    dispose()
    other.dispose()
  })

  test.each([
    [{ intraOpThreads: 0 }, /intraOpThreads.*number of threads.*0/],
    [{ interOpThreads: 1.5 }, /interOpThreads.*1\.5/],
    [{ intraOpThreads: Number.NaN }, /intraOpThreads/],
    [{ memoryLimit: -3 }, /memoryLimit.*MiB.*-3/],
    [{ memoryLimit: '3' }, /memoryLimit/],
    [{ intraOpThreads: 100_000 }, /intraOpThreads.*1 to 1024.*100000/],
    [{ interOpThreads: 2 ** 40 }, /interOpThreads/],
    [{ memoryLimit: 1e300 }, /memoryLimit/],
    [{ threads: 3 }, /threads/],
    [null, /createTensorflowBackend/],
    [7, /createTensorflowBackend/],
  ])('createTensorflowBackend(%o) is EF403', async (options, message) => {
    await expect(createTensorflowBackend(options as never)).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringMatching(message),
    })
  })
})
