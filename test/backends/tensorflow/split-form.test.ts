/** Batches that are computed in parts at the same time: the function that does it, when it is called, and its numbers. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { TensorflowContext } from '../../../src/backends/tensorflow/context.ts'
import { loadKoffi, requireTensorflow } from '../../../src/backends/tensorflow/find-library.ts'
import { createTensorflowBackend, type TensorflowOptions } from '../../../src/backends/tensorflow/index.ts'
import { lowerGraph } from '../../../src/backends/tensorflow/lower-graph.ts'
import { plainForms } from '../../../src/backends/tensorflow/lowering.ts'
import { oneDnnAbilities } from '../../../src/backends/tensorflow/one-dnn-trial.ts'
import { sharedHandle } from '../../../src/backends/tensorflow/one-thread-context.ts'
import { splitFunction } from '../../../src/backends/tensorflow/split-function.ts'
import { compile } from '../../../src/compile.ts'
import { nn } from '../../../src/index.ts'
import { add, mean, mul, silu, sub } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import { parse } from '../../../src/ir/parse.ts'
import { float32 } from '../../../src/ir/value.ts'
import { batchPart } from '../../../src/passes/batch-part.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

// Small graphs are split, too.
vi.mock('../../../src/backends/tensorflow/small-work.ts', () => ({ smallBatch: 0, smallImages: 0 }))

afterEach(() => void vi.restoreAllMocks())

describe('splitFunction()', () => {
  test('slices operands with examples, calls the part once for each slice, and joins the results', () => {
    const g = parse(`graph g {
      %x = input() {name="x"} : float32[6,2]\n%z = input() {name="z"} : float32[2]\n%w = variable() {name="w"} : float32[2]
      %r = broadcast(%w) {axes=[1], shape=[6,2]} : float32[6,2]\n%s = add(%x, %r) : float32[6,2]
      %t = transpose(%s) {permutation=[1,0]} : float32[2,6]\n%n = neg(%z) : float32[2]\nreturn y = %s, t = %t, n = %n\n}`)
    const part = batchPart(g, 3)
    if (part === null) throw new Error('no part')
    const options = { halfKernels: new Set<never>(), forms: plainForms }
    const [whole, lowered] = [lowerGraph(g, 'f', options), lowerGraph(part.graph, 'p', options)]
    const { nodeDef, signature, ret } = splitFunction('split', whole, lowered, 3, 'p')
    const count = (op: string) => nodeDef.filter((node) => node.op === op).length
    expect(signature?.inputArg.map(({ name }) => name)).toEqual(['a0', 'a1', 'a2'])
    expect([count('StridedSlice'), count('PartitionedCall'), count('ConcatV2')]).toEqual([3, 3, 2])
    const calls = nodeDef.filter(({ op }) => op === 'PartitionedCall')
    const sliceNames = nodeDef.filter(({ op }) => op === 'StridedSlice').map(({ name }) => `${name}:output:0`)
    const sliced = whole.operands.findIndex((operand) => operand.kind === 'input' && operand.name === 'x')
    expect(calls.map(({ input }) => input[sliced])).toEqual(sliceNames)
    for (const { input } of calls)
      expect(input.filter((_, at) => at !== sliced)).toEqual(['a0', 'a1', 'a2'].filter((_, at) => at !== sliced))
    expect(ret['r2']).toBe(`${calls[0]?.name}:output:2`) // the same in all parts
  })
})

const numbers = (count: number, from = 1) => Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(from + i))
const size = 9 * 9 * 3
/** One input has examples, the other one has none. A result feeds the next run. */
const net = graph('net', { x: float32('batch', 9, 9, 3), shift: float32(3) }, ({ x, shift }) => {
  const wide = silu(nn.conv2d(sub(x, shift), { name: 'expand', filters: 20, kernel: 1, bias: true }))
  const deep = nn.squeezeExcite(silu(nn.depthwiseConv2d(wide, { name: 'depthwise', kernel: 3, bias: true })), {
    name: 'se',
    reduced: 2,
    activation: silu,
  })
  const next = add(x, nn.conv2d(deep, { name: 'project', filters: 3, kernel: 1, bias: true }))
  return { next, means: mean(next, [1, 2]), twice: mul(shift, 2) }
})
const shift = Float32Array.of(0.5, -0.25, 1)

tensorflowOrSkip('batches in parts on TensorFlow', () => {
  /** A backend, and the functions of split batches that it makes. */
  const opened = async (options: TensorflowOptions) => {
    const added = vi.spyOn(TensorflowContext.prototype, 'addFunction')
    const backend = await createTensorflowBackend(options)
    const context = backend.device as TensorflowContext // of this backend
    const { keepsFilters } = await oneDnnAbilities(context)
    return {
      backend,
      context,
      maySplit: keepsFilters && context.api.hasSeparatePools,
      made: () => added.mock.calls.filter(([{ signature }]) => signature?.name.endsWith('_part')).length,
    }
  }
  type Opened = Awaited<ReturnType<typeof opened>>
  const compiled = async (backend: Opened['backend'] | 'reference', batch: number) => {
    const ran = await compile(net, { backend, batch, seed: 1 })
    for (const name of ran.variables.names())
      if (name.endsWith('/bias')) await ran.variables.set(name, numbers((await ran.variables.get(name)).length))
    return ran
  }
  type Ran = Awaited<ReturnType<typeof compiled>>
  const outputs = async (results: Awaited<ReturnType<Ran['run']>>): Promise<readonly (readonly number[])[]> =>
    Promise.all([results.next, results.means, results.twice].map(async (y) => [...(await y.data())]))
  const expectNear = (got: readonly (readonly number[])[], want: readonly (readonly number[])[]): void =>
    want.forEach((of, at) => {
      expect(got[at]?.length).toBe(of.length)
      of.forEach((y, i) => expect(Math.abs(y - (got[at]?.[i] ?? Number.NaN))).toBeLessThan(1e-4))
    })

  test.each([
    [2, 2],
    [6, 2],
    [6, 3],
    [4, 4],
  ])(
    '%i examples and %i threads: every run has the numbers of the reference, and equal bits',
    async (batch, intraOpThreads) => {
      const { backend, maySplit, made } = await opened({ intraOpThreads })
      using got = await compiled(backend, batch)
      using want = await compiled('reference', batch)
      const feeds = { x: numbers(batch * size), shift }
      const expected = await outputs(await want.run(feeds))
      const found: (readonly (readonly number[])[])[] = []
      for (let i = 0; i < 6; i++) {
        // One for the first runs, and one that keeps filters.
        expect(made()).toBe(maySplit ? [0, 1, 1, 2, 2, 2][i] : 0)
        found.push(await outputs(await got.run(feeds)))
      }
      for (const one of found) expectNear(one, expected)
      for (const one of found) expect(one).toEqual(found[0])
      backend.dispose()
    },
  )

  test.each([
    ['an odd batch', 3, { intraOpThreads: 2 }],
    ['one example', 1, { intraOpThreads: 2 }],
    ['one thread', 4, { intraOpThreads: 1 }],
    ['one op at the same time', 4, { intraOpThreads: 2, interOpThreads: 1 }],
  ])('the batch is not divided with %s', async (_, batch, options) => {
    const { backend, made } = await opened(options)
    using got = await compiled(backend, batch)
    for (let i = 0; i < 4; i++) await got.run({ x: numbers(batch * size), shift })
    expect(made()).toBe(0)
    expect(got.explain('expand').notes.join()).not.toContain('equal parts')
    backend.dispose()
  })

  test('a wide network gives equal bits before and after its filters are kept', async () => {
    const { backend, maySplit, made } = await opened({ intraOpThreads: 2 })
    const deep = graph('deep', { x: float32('batch', 17, 17, 19) }, ({ x }) => {
      const wide = silu(nn.conv2d(x, { name: 'a', filters: 67, kernel: 3, bias: true }))
      const next = silu(nn.depthwiseConv2d(wide, { name: 'd', kernel: 3, bias: true }))
      const same = add(x, nn.conv2d(next, { name: 'b', filters: 19, kernel: 1, bias: true }))
      return { same, z: nn.dense(mean(same, [1, 2]), { name: 'z', units: 33, bias: true }) }
    })
    for (const batch of [2, 8]) {
      using got = await compile(deep, { backend, batch, seed: 1 })
      const x = numbers(batch * 17 * 17 * 19)
      const found: (readonly (readonly number[])[])[] = []
      for (let i = 0; i < 5; i++) {
        const { same, z } = await got.run({ x })
        found.push([[...(await same.data())], [...(await z.data())]])
      }
      for (const one of found) expect(one).toEqual(found[0])
    }
    expect(made()).toBe(maySplit ? 4 : 0)
    backend.dispose()
  })

  test('explain() says how many parts there are', async () => {
    const { backend, maySplit } = await opened({ intraOpThreads: 2 })
    using got = await compiled(backend, 6)
    expect(got.explain('expand').notes.join('\n').includes('2 equal parts of the batch')).toBe(maySplit)
    backend.dispose()
  })

  test('bytes are fed, results feed later runs, runs are called at the same time, and other executables run beside them', async () => {
    const batch = 4
    const { backend, maySplit, made } = await opened({ intraOpThreads: 2 })
    using got = await compiled(backend, batch)
    using other = await compiled(backend, batch)
    using want = await compiled('reference', batch)
    const bytes = Uint8Array.from({ length: batch * size }, (_, i) => (i * 7) % 5)
    const chained = async (ran: Ran) => {
      let results = await ran.run({ x: bytes, shift })
      for (let i = 0; i < 4; i++) {
        const next = await ran.run({ x: results.next, shift })
        for (const result of Object.values(results)) result.dispose()
        results = next
      }
      return outputs(results)
    }
    const expected = await chained(want)
    expectNear(await chained(got), expected)
    const all = await Promise.all([chained(got), chained(other), chained(got), chained(other)])
    for (const one of all) expectNear(one, expected)
    expect(made()).toBe(maySplit ? 4 : 0)
    backend.dispose()
  })

  test('profile() has the kernels of the whole batch', async () => {
    const { backend } = await opened({ intraOpThreads: 2 })
    using got = await compiled(backend, 4)
    const feeds = { x: numbers(4 * size), shift }
    for (let i = 0; i < 4; i++) await got.run(feeds)
    const rows = await got.profile(feeds)
    expect(rows.filter(({ path }) => path.startsWith('expand')).length).toBeGreaterThan(0)
    expect(rows.filter(({ kernel }) => kernel === 'PartitionedCall')).toEqual([])
    backend.dispose()
  })

  test('a handle for another context has the same memory', async () => {
    const [one, two] = [await opened({}), await opened({ intraOpThreads: 1 })]
    const address = loadKoffi().load(requireTensorflow().main).func('void* TF_TensorData(void*)') as (
      of: bigint,
    ) => bigint
    const type = { dtype: 'float32', shape: [300] } as const
    const bytes = one.context.uploadBytes(
      Uint8Array.from({ length: 300 }, (_, i) => i % 256),
      type.shape,
    )
    const handle = await one.context.numbersOf(bytes, 'float32') // the result of an op
    const shared = sharedHandle(handle, one.context, two.context)
    const [a, b] = [one.context.resolve(handle), two.context.resolve(shared)]
    expect(address(a)).toBe(address(b))
    for (const tensor of [a, b]) one.context.api.deleteTensor(tensor)
    for (const made of [bytes, handle]) one.context.free(made)
    one.backend.dispose()
    expect(two.context.download(shared, type)).toEqual(Float32Array.from({ length: 300 }, (_, i) => i % 256))
    two.context.free(shared)
    two.backend.dispose()
  })
})
