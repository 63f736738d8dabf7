/** compile() and executables on the reference backend: feeds, results, variables, queueing, disposal. */
import { describe, expect, test } from 'vitest'
import { compile } from '../src/compile.ts'
import { referenceBackend } from '../src/backends/reference/index.ts'
import { add, relu } from '../src/ir/functions.ts'
import { graph } from '../src/ir/model.ts'
import * as nn from '../src/ir/nn.ts'
import { float32, int32 } from '../src/ir/value.ts'
import { definePass } from '../src/passes/pass.ts'
import { read } from '../src/executable/results.ts'

const affine = graph('affine', { x: float32('batch', 2) }, ({ x }, b) => {
  const w = b.variable('w', { shape: [2], init: { kind: 'ones' } })
  const shift = b.variable('shift', { shape: [2] })
  return { y: b.add(b.mul(x, b.exp(w)), shift) as typeof x, total: b.reduceSum(x, [0, 1]) }
})
const counter = graph('counter', { by: int32() }, ({ by }, b) => {
  const count = b.variable('count', { shape: [], dtype: 'int32', trainable: false })
  const next = b.add(count, by)
  b.update(count, next)
  return { before: count, after: next }
})
const backend = 'reference'

describe('run', () => {
  test('typed arrays, bytes, nested lists and results are fed; results read', async () => {
    using net = await compile(affine, { backend, batch: 1 })
    const e = Math.fround(Math.E)
    const first = await net.run({ x: [[1, 2]] })
    expect(await first.y.data()).toEqual(Float32Array.of(e, Math.fround(2 * e)))
    expect(await first['total']?.item()).toBe(3)
    expect(await (await net.run({ x: Uint8Array.of(1, 2) })).y.data()).toEqual(await first.y.data())
    expect(await (await net.run({ x: first.y })).y.data()).toEqual(
      Float32Array.of(Math.fround(e * e), Math.fround(Math.fround(2 * e) * e)),
    )
    expect(await read({ total: (await net.run({ x: Float32Array.of(3, 4) }))['total'] as never })).toEqual({ total: 7 })
  })
  test.each([
    ['missing', {}, 'EF401', 'the input "x" is missing; it is float32[1,2]'],
    ['misspelt', { x: [[1, 2]], xx: 1 }, 'EF401', 'there is no input "xx"; the inputs are x'],
    ['length', { x: Float32Array.of(1) }, 'EF402', 'the input "x" is float32[1,2], got 1 values instead of 2'],
    ['nesting', { x: [1, 2] }, 'EF402', 'the input "x" is float32[1,2], got a list of 2 at axis 0'],
    ['element', { x: [[1, 'a']] }, 'EF402', 'got "a" as an element'],
    ['typed array', { x: Int32Array.of(1, 2) }, 'EF402', 'got a Int32Array'],
    ['null', { x: null }, 'EF402', 'got null at axis 0'],
    ['float64', { x: Float64Array.of(1, 2) }, 'EF402', 'got a Float64Array'],
  ])('a wrong feed: %s', async (_name, feeds, code, message) => {
    using net = await compile(affine, { backend })
    await expect(net.run(feeds as never)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  })
  test.each([
    ['values', { x: new Float32Array(6) }, 'if these are 3 rows, compile(model, { batch: 3 }) takes them'],
    [
      'a list',
      {
        x: [
          [1, 2],
          [3, 4],
        ],
      },
      'if these are 2 rows, compile(model, { batch: 2 }) takes them',
    ],
    ['a part of a row', { x: new Float32Array(3) }, undefined],
    ['a row that is no list of rows', { x: [1, 2] }, 'feed a typed array, a nested list of that shape'],
  ])('a feed of another batch, %s: the hint says how to compile for it', async (_name, feeds, hint) => {
    using net = await compile(affine, { backend })
    const wrong = { code: 'EF402', hint: hint === undefined ? undefined : expect.stringContaining(hint) }
    await expect(net.run(feeds as never)).rejects.toMatchObject(wrong)
  })
  test.each([
    ['RGB for a model of grey', 1, 12, 'if this is an RGB picture: this model takes 1 channel'],
    ['three grey pictures', 1, 12, 'if these are 3 rows, compile(model, { batch: 3 }) takes them'],
    ['grey for a model of RGB', 3, 4, 'if this is a grey picture: this model takes 3 channels'],
  ])('a picture of other channels, %s: the hint says so', async (_name, channels, length, hint) => {
    const model = graph('net', { image: float32('batch', 2, 2, channels) }, ({ image }) => ({ y: add(image, 1) }))
    using net = await compile(model, { backend })
    const wrong = { code: 'EF402', hint: expect.stringContaining(hint) }
    await expect(net.run({ image: new Uint8Array(length) })).rejects.toMatchObject(wrong)
    if (hint.includes('rows')) return
    const nested = Array.from({ length: 2 }, () => Array.from({ length: 2 }, () => new Array(4 - channels).fill(0)))
    await expect(net.run({ image: [nested] } as never)).rejects.toMatchObject(wrong)
    using other = await compile(
      graph('other', { x: float32(1, 2, 2, 4 - channels) }, ({ x }) => ({ y: add(x, 1) })),
      { backend },
    )
    const { y } = await other.run({ x: new Uint8Array(length) })
    await expect(net.run({ image: y } as never)).rejects.toMatchObject(wrong)
  })
  test('runs queue in call order and updates commit at the end', async () => {
    using net = await compile(counter, { backend, passes: (p) => p.without('to-inference') })
    const runs = await Promise.all([1, 2, 3].map((by) => net.run({ by })))
    expect(await Promise.all(runs.map((r) => r.before.item()))).toEqual([0, 1, 3])
    expect(await Promise.all(runs.map((r) => r.after.item()))).toEqual([1, 3, 6])
    expect(await net.variables.get('count', 'int32')).toEqual(Int32Array.of(6))
  })
  test('after dispose(): a clear error, also for results; a second dispose() is allowed', async () => {
    const net = await compile(affine, { backend })
    const { y } = await net.run({ x: [[1, 2]] })
    y.dispose()
    await expect(y.data()).rejects.toMatchObject({ code: 'EF406' })
    net.dispose()
    net.dispose()
    await expect(net.run({ x: [[1, 2]] })).rejects.toMatchObject({
      code: 'EF406',
      message: expect.stringContaining('affine'),
    })
  })
})

describe('variables', () => {
  test('names, describe, get, set; derived values are recomputed', async () => {
    using net = await compile(affine, { backend })
    expect(net.passes.some((p) => p.plan === 'prepare')).toBe(true)
    expect(net.variables.names()).toEqual(['w', 'shift'])
    expect(net.variables.names('s*')).toEqual(['shift'])
    expect(net.variables.describe('w')).toEqual({ shape: [2], dtype: 'float32', trainable: true })
    await net.run({ x: [[1, 1]] })
    await net.variables.set('w', [0, 0])
    expect(await (await net.run({ x: [[5, 6]] })).y.data()).toEqual(Float32Array.of(5, 6))
    expect(await net.variables.get('w')).toEqual(Float32Array.of(0, 0))
  })
  test.each([
    [
      'name',
      (v: Awaited<ReturnType<typeof compile>>['variables']) => v.get('ww'),
      'EF407',
      'there is no variable "ww"',
    ],
    [
      'dtype',
      (v: Awaited<ReturnType<typeof compile>>['variables']) => v.get('w', 'int32'),
      'EF408',
      'the variable "w" is float32, asked for int32',
    ],
    [
      'length',
      async (v: Awaited<ReturnType<typeof compile>>['variables']) => v.set('w', [1]),
      'EF408',
      'needs 2 values, got 1',
    ],
  ])('a wrong %s', async (_name, use, code, message) => {
    using net = await compile(affine, { backend })
    await expect((async () => use(net.variables))()).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    })
  })
  test('shared on one backend, copied between backends', async () => {
    using first = await compile(affine, { backend })
    using shared = await compile(affine, { backend, variables: first.variables, batch: 3 })
    using copied = await compile(affine, { backend: referenceBackend(), variables: first.variables })
    await first.variables.set('shift', [10, 20])
    expect(await shared.variables.get('shift')).toEqual(Float32Array.of(10, 20))
    expect(await copied.variables.get('shift')).toEqual(Float32Array.of(0, 0))
    first.dispose()
    expect(await (await shared.run({ x: new Float32Array(6) })).y.data()).toEqual(
      Float32Array.of(10, 20, 10, 20, 10, 20),
    )
  })
  test('of another model cannot be shared: none of its variables would be used', async () => {
    using first = await compile(affine, { backend })
    const other = graph('other', { x: float32('batch', 3) }, ({ x }, b) => ({
      y: b.mul(x, b.variable('scale', { shape: [3] })),
    }))
    await expect(compile(other, { backend, variables: first.variables })).rejects.toMatchObject({
      code: 'EF408',
      message: 'the variables given are of another model: it has none of scale, but w, shift',
    })
  })
  test('of another shape cannot be shared', async () => {
    using first = await compile(affine, { backend })
    const other = graph('other', { x: float32('batch', 3) }, ({ x }, b) => ({
      y: b.mul(x, b.variable('w', { shape: [3] })),
    }))
    await expect(compile(other, { backend, variables: first.variables })).rejects.toMatchObject({
      code: 'EF408',
      message: expect.stringContaining('"w" is float32[3] here and float32[2] there'),
    })
  })
})

describe('options', () => {
  test.each([
    [{ batchSize: 2 }, 'compile() has no option "batchSize"'],
    [{ batch: 0 }, 'option "batch" must be a positive integer, got 0'],
    [{ backend: 'cuda' }, 'option "backend" must be one of auto'],
    [{ amp: 'half' }, 'option "amp" must be true, false or { dtype'],
    [{ amp: { dtype: 'float32' } }, 'option "amp.dtype" must be \'float16\' or \'bfloat16\', got "float32"'],
    [{ amp: { emulate: 1 } }, 'option "amp.emulate" must be true or false'],
    [{ amp: { keeps: [] } }, 'mixed precision has no option "keeps"'],
    [{ amp: { allow: ['exp'], deny: ['exp'] } }, 'the op "exp" is in two lists'],
    [{ amp: { allow: ['iota'] } }, 'the op "iota" cannot be allowed'],
    [{ amp: { deny: ['exp', '!exp'] } }, '"exp" and "!exp" are in one list'],
    [{ xla: { fuse: true } }, 'option "xla" must be true, false or'],
    [{ seed: -1 }, 'option "seed" must be'],
  ])('%j', async (options, message) => {
    await expect(compile(affine, options as never)).rejects.toMatchObject({
      code: 'EF403',
      message: expect.stringContaining(message),
    })
  })
  test("a user's pass runs at its place and is recorded", async () => {
    const seen: string[] = []
    const spy = definePass({
      name: 'spy',
      summary: 'looks',
      phase: 'simplify',
      preserves: 'bits',
      run: (g) => {
        seen.push(g.name)
        return g
      },
    })
    using net = await compile(affine, { backend, passes: (p) => p.before('dce', spy) })
    expect(seen).toEqual(['affine'])
    expect(net.passes.map((p) => p.name)).toContain('spy')
  })
  test('xla: false runs the graph as written, without the step `prepare`', async () => {
    using net = await compile(affine, { backend, xla: false })
    expect(net.passes.map((p) => p.name)).toEqual(['to-inference', 'dce', 'fuse'])
    expect(await (await net.run({ x: [[0, 0]] })).y.data()).toEqual(new Float32Array(2))
  })
  test('explain follows a layer through the passes', async () => {
    const model = graph('m', { x: float32('batch', 2) }, ({ x }, b) => ({ y: b.scope('twice', () => b.neg(b.neg(x))) }))
    using net = await compile(model, { backend })
    expect(net.explain('twice').text).toContain('Nothing of it is left')
    expect(() => net.explain(undefined as never)).toThrow(
      expect.objectContaining({ code: 'EF403', message: expect.stringContaining('takes the path of a node') }),
    )
    expect(JSON.parse(JSON.stringify(net)).backend).toBe(net.backend) // the traversal does not read averages
    expect(() => net.explain('thrice')).toThrow(
      expect.objectContaining({ code: 'EF407', hint: 'did you mean "twice"?' }),
    )
  })
  test('explain names the parts of a fused region, and prints no body', async () => {
    const model = graph('m', { x: float32('batch', 8, 8, 2) }, ({ x }) => ({
      y: relu(nn.conv2d(x, { filters: 3, kernel: 3, name: 'stem' })),
    }))
    using net = await compile(model, { backend: 'tfjs-cpu' })
    const [fused] = net.explain('stem').became.filter(({ fusion }) => fusion !== null)
    expect(fused?.node).toMatch(/^fusion tfjs\.conv2d of conv2d, .*relu : float32\[1,8,8,3\] @ /)
    expect(fused?.node).not.toMatch(/[{}]/)
  })
  test('an aborted signal stops before anything is opened', async () => {
    const controller = new AbortController()
    controller.abort()
    await expect(compile(affine, { backend, signal: controller.signal })).rejects.toThrow(/abort/i)
  })
})
