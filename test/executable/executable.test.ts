/** Executables between the caller and the device: ownership of memory, turns and disposal, on both kinds of backend. */
import { describe, expect, test } from 'vitest'
import { compile } from '../../src/compile.ts'
import { add, bool, cast, float32, graph, loss, mean, mul, neg, not, sgd, trainingStep } from '../../src/index.ts'
import { plainNet, squaresStep } from '../support/small-steps.ts'

const model = graph('m', { x: float32('batch', 2), z: float32('batch', 2) }, ({ x, z }, b) => {
  const w = b.variable('w', { shape: [1, 2] })
  return { y: add(mul(x, cast(w, 'float32')), z), square: mul(w, w) }
})
const zeros = { x: [[0, 0]], z: [[0, 0]] }
const listOf = async (result: { data(): Promise<ArrayLike<number>> } | undefined): Promise<number[]> =>
  Array.from((await result?.data()) ?? [])
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

describe.each(['reference', 'tfjs-cpu'] as const)('%s', (backend) => {
  test('all feeds are copied at the call', async () => {
    using net = await compile(model, { backend })
    await net.variables.set('w', [1, 1])
    const [x, z] = [Float32Array.of(1, 2), Float32Array.of(5, 6)]
    const run = net.run({ x, z })
    x.fill(9)
    z.fill(9)
    expect(await listOf((await run).y)).toEqual([6, 8])
  })
  test('runs keep their order if a feed is pending', async () => {
    using elsewhere = await compile(model, { backend: backend === 'reference' ? 'tfjs-cpu' : 'reference' })
    using net = await compile(model, { backend })
    const { y } = await elsewhere.run(zeros)
    const done: string[] = []
    const first = net.run({ x: y, z: y }).then(() => done.push('first'))
    const second = net.run(zeros).then(() => done.push('second'))
    await Promise.all([first, second])
    expect(done).toEqual(['first', 'second'])
  })
  test('a run that was called before dispose() still returns its result', async () => {
    const net = await compile(model, { backend })
    const run = net.run({ x: [[1, 2]], z: [[5, 6]] })
    net.dispose()
    expect(await listOf((await run).y)).toEqual([5, 6])
    await expect(net.run(zeros)).rejects.toMatchObject({ code: 'EF406' })
  })
  test('data() returns a copy', async () => {
    using net = await compile(model, { backend })
    const { y } = await net.run({ x: [[1, 2]], z: [[5, 6]] })
    ;(await y.data()).fill(0)
    expect(await listOf(y)).toEqual([5, 6])
  })
  test('every backend reads tensors of tfjs, except string tensors and disposed tensors', async () => {
    const tf = await import('@tensorflow/tfjs-core')
    await import('@tensorflow/tfjs-backend-cpu')
    using net = await compile(model, { backend })
    const tensor = tf.tensor2d([[1, 2]])
    const words = tf.tensor2d([['a', 'b']])
    expect(await listOf((await net.run({ x: [[0, 0]], z: tensor })).y)).toEqual([1, 2])
    await expect(net.run({ x: words, z: tensor } as never)).rejects.toMatchObject({
      code: 'EF402',
      message: expect.stringContaining('a tensor of string'),
    })
    tensor.dispose()
    words.dispose()
    await expect(net.run({ x: [[0, 0]], z: tensor })).rejects.toMatchObject({ code: 'EF402' })
  })
  test('feeding a disposed result gives an error', async () => {
    using net = await compile(model, { backend })
    const { y } = await net.run(zeros)
    y.dispose()
    await expect(net.run({ x: y, z: y })).rejects.toMatchObject({ code: 'EF406' })
    await expect(net.run(undefined as never)).rejects.toMatchObject({ code: 'EF401' })
  })
  test('a bool is 0 or 1, fed or set', async () => {
    const masks = graph('masks', { p: bool(2) }, ({ p }, b) => {
      const q = b.variable('q', { shape: [2], dtype: 'bool', trainable: false })
      return { number: cast(p, 'float32'), inverse: not(p), q }
    })
    using net = await compile(masks, { backend })
    await expect(net.run({ p: Uint8Array.of(0, 255) })).rejects.toMatchObject({ code: 'EF402' })
    await expect(net.variables.set('q', [0, 2])).rejects.toMatchObject({ code: 'EF408' })
    const { number, inverse } = await net.run({ p: Uint8Array.of(0, 1) })
    expect([await listOf(number), await listOf(inverse)]).toEqual([
      [0, 1],
      [1, 0],
    ])
  })
  test('variables accept only lists of numbers', async () => {
    using net = await compile(model, { backend })
    for (const wrong of [undefined, null, 'ab', 5, {}, { length: 2 }, [[1], [2]], ['1', '2'], new BigInt64Array(2)])
      await expect(net.variables.set('w', wrong as never)).rejects.toMatchObject({ code: 'EF408' })
    expect(await listOf({ data: () => net.variables.get('w') })).toEqual([0, 0])
  })
  test('variables that were disposed of with their executable are not replaced by new ones', async () => {
    const first = await compile(model, { backend })
    await first.variables.set('w', [3, 4])
    using second = await compile(model, { backend, variables: first.variables })
    first.dispose()
    await settled()
    expect(await listOf((await second.run(zeros)).square)).toEqual([9, 16])
    expect(await listOf({ data: () => first.variables.get('w') })).toEqual([3, 4])
    second.dispose()
    await settled()
    for (const other of ['reference', 'tfjs-cpu'] as const) {
      const error = await compile(model, { backend: other, variables: first.variables }).catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'EF406' })
    }
    await expect(first.variables.get('w')).rejects.toMatchObject({ code: 'EF406' })
    await expect(first.variables.set('w', [1, 2])).rejects.toMatchObject({ code: 'EF406' })
    await expect(first.variables.save()).rejects.toMatchObject({ code: 'EF406' })
  })
  test('save and load during runs are atomic', async () => {
    // Each variable counts the updates.
    const names = Array.from({ length: 9 }, (_, i) => `w${i}`)
    const counting = graph('counting', { x: float32('batch', 1) }, ({ x }, b) => ({
      y: names.reduce((sum, name) => add(sum, b.variable(name, { shape: [1] }) as typeof x), x),
    }))
    const step = trainingStep(counting, {
      loss: loss({}, ({ y }) => neg(mean(y))),
      optimizer: sgd({ learningRate: 1 }),
    })
    using net = await compile(step, { backend, batch: 1 })
    using other = await compile(step, { backend, batch: 1 })
    const counts = async ({ variables }: typeof net): Promise<readonly number[]> => [
      ...(await variables.get('step', 'int32')),
      ...(await Promise.all(names.map(async (name) => (await variables.get(name))[0] as number))),
    ]
    for (let ticks = 0; ticks < 8; ticks++) {
      const runs = [0, 1, 2].map(() => net.run({ x: [[1]] }))
      for (let tick = 0; tick < ticks; tick++) await null
      await other.variables.load(await net.variables.save())
      expect(new Set(await counts(other)).size).toBe(1)
      const more = [0, 1, 2].map(() => net.run({ x: [[1]] }))
      for (let tick = 0; tick < ticks; tick++) await null
      await net.variables.load(await other.variables.save())
      await Promise.all([...runs, ...more])
      expect(new Set(await counts(net)).size).toBe(1)
    }
  })
  test('variables are kept alive while an executable that shares them is compiled', async () => {
    const first = await compile(model, { backend })
    await first.variables.set('w', [3, 4])
    const compiling = compile(model, { backend, variables: first.variables })
    first.dispose()
    using second = await compiling
    expect(await listOf((await second.run(zeros)).square)).toEqual([9, 16])
  })
  test('a step that keeps averages rejects averages as weights: a weight and its average would be one variable', async () => {
    const step = squaresStep(plainNet, { emaDecay: 0.5 })
    using trainer = await compile(step, { backend, batch: 2 })
    const { averages } = trainer.variables
    await expect(compile(step, { backend, batch: 2, variables: averages })).rejects.toMatchObject({
      code: 'EF408',
      message: expect.stringContaining('"dense/kernel" and "ema/dense/kernel" are two variables here'),
    })
    using evaluation = await compile(plainNet, { backend, batch: 2, variables: averages })
    expect(await evaluation.variables.get('dense/kernel')).toEqual(await averages.get('dense/kernel'))
  })
  test('derived values follow the variables in every executable that shares them', async () => {
    using first = await compile(model, { backend })
    using second = await compile(model, { backend, variables: first.variables })
    for (const [net, w] of [
      [first, [3, 4]],
      [second, [5, 6]],
    ] as const) {
      await net.variables.set('w', w)
      const squares = w.map((v) => v * v)
      expect(await listOf((await first.run(zeros)).square)).toEqual(squares)
      expect(await listOf((await second.run(zeros)).square)).toEqual(squares)
    }
  })
})

test('a half variable holds values of its dtype, also after set()', async () => {
  const halves = graph('halves', {}, (_, b) => ({ h: b.variable('h', { shape: [1], dtype: 'float16' }) }))
  using net = await compile(halves, { backend: 'reference' })
  await net.variables.set('h', [0.1])
  expect(Array.from(await net.variables.get('h', 'float16'))).toEqual([0.0999755859375])
})
