/** Images whose rows are computed in parts at the same time, small graphs on one thread, forms that TensorFlow refuses, and the threads' processors. */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { afterEach, expect, test, vi } from 'vitest'
import { TensorflowContext } from '../../../src/backends/tensorflow/context.ts'
import { TensorflowFailure } from '../../../src/backends/tensorflow/errors.ts'
import { createTensorflowBackend, type TensorflowOptions } from '../../../src/backends/tensorflow/index.ts'
import { oneDnnAbilities } from '../../../src/backends/tensorflow/one-dnn-trial.ts'
import { bindThreads, processorsIn } from '../../../src/backends/tensorflow/thread-affinity.ts'
import { compile } from '../../../src/compile.ts'
import { nn } from '../../../src/index.ts'
import { add, maxPool2d, mean, mul, silu, softmax, sub } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import { float32, type Value } from '../../../src/ir/value.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const work = vi.hoisted(() => ({ smallBatch: 0, smallImages: 0 }))
vi.mock('../../../src/backends/tensorflow/small-work.ts', () => ({
  get smallBatch() {
    return work.smallBatch
  },
  get smallImages() {
    return work.smallImages
  },
}))

afterEach(() => {
  vi.restoreAllMocks()
  Object.assign(work, { smallBatch: 0, smallImages: 0 })
})

const numbers = (count: number, from = 1) => Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(from + i))
const size = 17 * 17 * 3
/** Windows of several sizes, a block with squeeze-and-excite, and results before and after the rows are joined. */
const net = graph('net', { x: float32('batch', 17, 17, 3), shift: float32(3) }, ({ x, shift }, b) => {
  const scale = b.constant(numbers(17 * 17 * 3), { dtype: 'float32', shape: [17, 17, 3] }) as Value<'float32', 3>
  const stem = silu(
    nn.conv2d(mul(sub(x, shift), scale), { name: 'stem', filters: 8, kernel: 3, strides: 2, bias: true }),
  )
  const wide = silu(nn.conv2d(stem, { name: 'expand', filters: 24, kernel: 1, bias: true }))
  const deep = nn.squeezeExcite(silu(nn.depthwiseConv2d(wide, { name: 'depthwise', kernel: 5, bias: true })), {
    name: 'se',
    reduced: 2,
    activation: silu,
  })
  const block = add(stem, nn.conv2d(deep, { name: 'project', filters: 8, kernel: 1, bias: true }))
  const pooled = maxPool2d(block, { window: 3, strides: 2, padding: 'same' })
  return { block, z: softmax(nn.dense(mean(pooled, [1, 2]), { name: 'z', units: 5, bias: true })) }
})
const shift = Float32Array.of(0.5, -0.25, 1)

tensorflowOrSkip('rows in parts on TensorFlow', () => {
  const opened = async (options: TensorflowOptions) => {
    const backend = await createTensorflowBackend(options)
    const context = backend.device as TensorflowContext // of this backend
    const added = vi.spyOn(TensorflowContext.prototype, 'addFunction')
    const { keepsFilters } = await oneDnnAbilities(context)
    return {
      backend,
      maySplit: keepsFilters && context.api.hasSeparatePools,
      /** The forms that were made in the second context. */
      made: () =>
        added.mock.calls.flatMap(([{ signature }], i) =>
          added.mock.contexts[i] === context ? [] : [/_(parts|kept\d*)$/.exec(signature?.name ?? '')?.[1]],
        ),
    }
  }
  const compiled = async (backend: Awaited<ReturnType<typeof opened>>['backend'] | 'reference', batch: number) => {
    const ran = await compile(net, { backend, batch, seed: 1 })
    for (const name of ran.variables.names())
      if (name.endsWith('/bias')) await ran.variables.set(name, numbers((await ran.variables.get(name)).length))
    return ran
  }
  type Ran = Awaited<ReturnType<typeof compiled>>
  const outputs = async (ran: Ran, batch: number): Promise<readonly (readonly number[])[]> => {
    const { block, z } = await ran.run({ x: numbers(batch * size), shift })
    return [[...(await block.data())], [...(await z.data())]]
  }
  const expectNear = (got: readonly (readonly number[])[], want: readonly (readonly number[])[]): void =>
    want.forEach((of, at) => {
      expect(got[at]?.length).toBe(of.length)
      of.forEach((y, i) => expect(Math.abs(y - (got[at]?.[i] ?? Number.NaN))).toBeLessThan(1e-4))
    })
  const expected = async (batch: number) => {
    using want = await compiled('reference', batch)
    return outputs(want, batch)
  }

  test.each([
    [1, 2],
    [3, 2],
    [1, 3],
    [2, 4],
  ])('%i images and %i threads: every run has the numbers of the reference, and equal bits', async (batch, threads) => {
    const { backend, maySplit, made } = await opened({ intraOpThreads: threads })
    using got = await compiled(backend, batch)
    const want = await expected(batch)
    const found: (readonly (readonly number[])[])[] = []
    for (let i = 0; i < 6; i++) found.push(await outputs(got, batch))
    for (const one of found) expectNear(one, want)
    for (const one of found) expect(one).toEqual(found[0])
    expect(made()).toEqual(maySplit ? ['parts', 'kept0'] : [])
    const note = `net: the rows of images are computed in ${threads} parts`
    expect(got.explain('stem').notes.join('\n').includes(note)).toBe(maySplit)
    backend.dispose()
  })

  test.each([
    ['five threads', { intraOpThreads: 5 }],
    ['one thread', { intraOpThreads: 1 }],
    ['one op at the same time', { intraOpThreads: 2, interOpThreads: 1 }],
  ])('%s: the image stays whole', async (_, options) => {
    const { backend, made } = await opened(options)
    using got = await compiled(backend, 1)
    for (let i = 0; i < 4; i++) await outputs(got, 1)
    expect(made()).toEqual([])
    expect(got.explain('stem').notes.join()).not.toContain('parts')
    backend.dispose()
  })

  test.each([1, 2])('a small graph with %i images is computed by one thread', async (batch) => {
    Object.assign(work, { smallBatch: 1e9 })
    const { backend, maySplit, made } = await opened({ intraOpThreads: 2 })
    using got = await compiled(backend, batch)
    const want = await expected(batch)
    for (let i = 0; i < 4; i++) expectNear(await outputs(got, batch), want)
    expect(made()).toEqual(maySplit ? ['parts', 'kept0'] : [])
    expect(got.explain('stem').notes.join().includes('one thread computes it')).toBe(maySplit)
    backend.dispose()
  })

  test('random numbers of a small graph differ between runs, and are those of the reference', async () => {
    Object.assign(work, { smallBatch: 1e9 })
    const noisy = graph('noisy', { x: float32('batch', 17, 17, 3) }, ({ x }, b) => {
      const y = nn.conv2d(x, { name: 'conv', filters: 8, kernel: 3, bias: true })
      return { y: add(y, b.randomUniformOf(y.shape, 'noise') as Value<'float32', 4>) }
    })
    const { backend, maySplit, made } = await opened({ intraOpThreads: 2 })
    using got = await compile(noisy, { backend, seed: 1 })
    using want = await compile(noisy, { backend: 'reference', seed: 1 })
    const found: number[] = []
    for (let i = 0; i < 5; i++) {
      const [one, other] = [await got.run({ x: numbers(size) }), await want.run({ x: numbers(size) })]
      const ys = [...(await one.y.data())]
      expectNear([ys], [[...(await other.y.data())]])
      found.push(ys[0] as number)
    }
    expect(new Set(found).size).toBe(5)
    expect(made()).toEqual(maySplit ? ['parts', 'kept0'] : [])
    backend.dispose()
  })

  test.each([
    ['parts', ['parts', 'whole', 'whole', 'kept0', 'kept0', 'kept0']],
    ['kept0', ['parts', 'parts', 'kept0', 'whole', 'parts', 'parts']],
  ])('if TensorFlow refuses the form "%s", others run instead, also in later runs', async (refused, forms) => {
    const { backend, maySplit } = await opened({ intraOpThreads: 2 })
    if (!maySplit) return
    using got = await compiled(backend, 1)
    const want = await expected(1)
    const { calls } = refusing((name) => name.endsWith(`_${refused}`))
    for (let i = 0; i < 5; i++) expectNear(await outputs(got, 1), want)
    expect(calls).toEqual(forms)
    backend.dispose()
  })

  test('an error of the whole graph is reported, and the form still runs later', async () => {
    const { backend, maySplit } = await opened({ intraOpThreads: 2 })
    if (!maySplit) return
    using got = await compiled(backend, 1)
    const want = await expected(1)
    const { calls, spy } = refusing(() => true)
    await expect(outputs(got, 1)).rejects.toMatchObject({ code: 'EF405', message: 'TensorFlow refused net: refused' })
    expect(calls).toEqual(['parts', 'whole'])
    spy.mockRestore()
    const later = refusing(() => false)
    expectNear(await outputs(got, 1), want)
    expect(later.calls).toEqual(['parts'])
    backend.dispose()
  })

  test('with one thread for each processor, each thread is bound to one, and no other thread of the process is', async () => {
    const count = availableParallelism()
    const { backend, maySplit } = await opened({ intraOpThreads: count })
    const before = processors()
    using got = await compiled(backend, 1)
    await outputs(got, 1)
    const bound = [...processors()].filter(([id, allowed]) => !before.has(id) && !/[-,]/.test(allowed))
    const isBound = maySplit && process.platform === 'linux' && count > 1 && count <= 4
    expect(new Set(bound.map(([, allowed]) => allowed)).size).toBe(isBound ? count : 0)
    expect(bound.length).toBe(isBound ? count : 0)
    for (const [id, allowed] of before) expect(processors().get(id) ?? allowed).toBe(allowed)
    backend.dispose()
  })

  test('with more threads than processors no thread is bound', async () => {
    const { backend } = await opened({ intraOpThreads: Math.max(2, availableParallelism() + 1) })
    const before = processors()
    using got = await compiled(backend, 1)
    await outputs(got, 1)
    for (const [id, allowed] of processors())
      if (!before.has(id)) expect(allowed).toBe(processors().get(process.pid) ?? allowed)
    expect(bindThreads([process.pid], 1)).toBe(false) // a thread of Node
    backend.dispose()
  })
})

/** Which processors each thread of this process may use, by the thread's id, as Linux lists them. */
const processors = (): ReadonlyMap<number, string> => {
  if (process.platform !== 'linux') return new Map()
  return new Map(
    readdirSync('/proc/self/task').flatMap((id) => {
      try {
        const status = readFileSync(`/proc/self/task/${id}/status`, 'utf8')
        return [[Number(id), /^Cpus_allowed_list:\s*(\S+)/m.exec(status)?.[1] ?? ''] as const]
      } catch {
        return [] // the thread has ended
      }
    }),
  )
}

/** Fails calls of functions of graphs, and notes their forms. */
const refusing = (isRefused: (name: string) => boolean) => {
  const real = TensorflowContext.prototype.call
  const calls: string[] = []
  const spy = vi.spyOn(TensorflowContext.prototype, 'call').mockImplementation(async function (
    this: TensorflowContext,
    ...args: Parameters<TensorflowContext['call']>
  ) {
    const [name] = args
    if (!name.startsWith('effuse_')) return real.apply(this, args)
    calls.push(/_(parts|kept\d*)$/.exec(name)?.[1] ?? 'whole')
    if (isRefused(name)) throw new TensorflowFailure({ code: 3, message: 'refused' })
    return real.apply(this, args)
  })
  return { calls, spy }
}

test('processorsIn() lists the bits of a mask', () => {
  expect(processorsIn(Uint8Array.of(0b101, 0, 0b10000000))).toEqual([0, 2, 23])
  expect(processorsIn(new Uint8Array(128))).toEqual([])
})
