/**
 * Random streams: the words compared with an independent Philox (scripts/goldens/make_philox.py, which agrees with TensorFlow's kernel), equal
 * numbers on every backend, and new ones in every run. Also the frequency and expectation of dropout and stochastic depth.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Backend, hostArrayOf, type RunContext } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'
import { createTensorflowBackend } from '../../src/backends/tensorflow/index.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { compile } from '../../src/compile.ts'
import { Builder } from '../../src/ir/build.ts'
import { dropout, mean, mul } from '../../src/ir/functions.ts'
import { liveOrder } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { graph } from '../../src/ir/model.ts'
import * as nn from '../../src/ir/nn.ts'
import { philox4x32, randomUniform, streamKey } from '../../src/ir/philox.ts'
import type { Graph } from '../../src/ir/types.ts'
import { float32 } from '../../src/ir/value.ts'
import { efficientNet } from '../../src/models/efficientnet.ts'
import { graphOf, programOf } from '../../src/passes/program.ts'
import { parsePipeline } from '../../src/passes/registry.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { loss } from '../../src/passes/train/losses.ts'
import { sgd } from '../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../src/passes/train/step.ts'
import { withTensorflow } from '../support/tensorflow.ts'

interface Case extends RunContext {
  readonly stream: string
  readonly streamKey: number
  readonly words: readonly number[]
}
const { cases }: { readonly cases: readonly Case[] } = JSON.parse(
  readFileSync(new URL('../goldens/training/philox.json', import.meta.url), 'utf8'),
)
const numbersOf = ({ words }: Case): readonly number[] => words.map((word) => (word >>> 8) * 2 ** -24)

test('words of a stream: seed, path, run index beyond 2^32, replica and element', () => {
  expect(cases.length).toBeGreaterThan(50)
  for (const c of cases) {
    expect(streamKey(c.stream)).toBe(c.streamKey)
    expect([...randomUniform({ ...c, count: c.words.length })]).toEqual(numbersOf(c))
  }
})

test('Philox by halves of 16 bits is Philox in big integers', () => {
  const word = fc.oneof(fc.constantFrom(0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff), fc.nat(2 ** 32 - 1))
  const product = (a: bigint, b: number): readonly [high: bigint, low: bigint] => {
    const p = a * BigInt(b)
    return [p >> 32n, p & 0xffffffffn]
  }
  fc.assert(
    fc.property(fc.tuple(word, word, word, word, word, word), ([c0, c1, c2, c3, k0, k1]) => {
      let [a, b, c, d] = [BigInt(c0), BigInt(c1), BigInt(c2), BigInt(c3)]
      for (let round = 0n; round < 10n; round++) {
        const [key0, key1] = [BigInt(k0) + round * 0x9e3779b9n, BigInt(k1) + round * 0xbb67ae85n]
        const [[high0, low0], [high1, low1]] = [product(a, 0xd2511f53), product(c, 0xcd9e8d57)]
        ;[a, b, c, d] = [high1 ^ b ^ (key0 & 0xffffffffn), low1, high0 ^ d ^ (key1 & 0xffffffffn), low0]
      }
      expect([...philox4x32(c0, c1, c2, c3, k0, k1)]).toEqual([a, b, c, d].map(Number))
    }),
    { numRuns: 300 },
  )
})

const names = ['reference', 'wasm', 'tfjs-wasm', 'tfjs-cpu', ...withTensorflow] as const
const opened = async (name: (typeof names)[number]): Promise<Backend> => {
  if (name === 'reference') return referenceBackend()
  if (name === 'tensorflow') return createTensorflowBackend()
  return createTfjsBackend({ backend: name === 'tfjs-wasm' ? 'wasm' : 'cpu' })
}
describe.each(names)('%s', (name) => {
  let backend: Backend
  beforeAll(async () => {
    backend = await opened(name)
  })
  /** Runs the graph at a position, like a backend. */
  const runAt = async (g: Graph, position: RunContext): Promise<{ readonly [output: string]: readonly number[] }> => {
    const store = backend.createStore()
    const runnable = await backend.compile(programOf(g), store, { nameOf: (variable) => variable })
    const read: { [output: string]: readonly number[] } = {}
    for (const [output, tensor] of await store.turn((turn) => runnable.run(turn, ['run'], new Map(), position))) {
      read[output] = [...hostArrayOf('float32', await tensor.read())]
      tensor.dispose()
    }
    runnable.dispose()
    store.dispose()
    return read
  }
  test('randomUniform draws the words of its stream, for any run index', async () => {
    for (const c of cases) {
      const b = new Builder('draw')
      const count = c.words.length
      const [flat, square] = [b.randomUniformOf([count], c.stream), b.randomUniformOf([2, count / 2], c.stream)]
      const got = await runAt(b.finish({ flat, square }), c)
      expect(got).toEqual({ flat: numbersOf(c), square: numbersOf(c) })
    }
  })
  test('each run draws the numbers of its index, also after the index was set', async () => {
    const model = graph('draws', { x: float32() }, ({ x }, b) => ({
      draws: mul(
        b.scope('here', () => b.randomUniform([7])),
        x,
      ),
    }))
    using net = await compile(model, { backend: name, seed: 5 })
    const [stream] = liveOrder(model.at({ batch: 1 })).flatMap((n) =>
      n.op === 'randomUniform' ? [n.attrs.stream] : [],
    )
    for (const [first, runs] of [
      [0, 4],
      [2 ** 32 - 2, 4],
      [2 ** 53 - 4, 2],
    ] as const) {
      net.runIndex = first
      for (let runIndex = first; runIndex < first + runs; runIndex++) {
        const got = await (await net.run({ x: 1 })).draws.data()
        expect(got).toEqual(randomUniform({ seed: 5, stream: stream ?? '', runIndex, replica: 0, count: 7 }))
      }
    }
  })
  test('a skipped step uses up its run index', async () => {
    const model = graph('drops', { x: float32('batch', 64) }, ({ x }) => ({
      y: dropout(nn.dense(x, { name: 'dense', units: 64 }), { rate: 0.5 }),
    }))
    const step = trainingStep(model, {
      loss: loss({}, ({ y }) => mean(mul(y, y))),
      optimizer: sgd({ learningRate: 0 }),
    })
    const losses = async (...inputs: readonly number[]): Promise<readonly number[]> => {
      using net = await compile(step, { backend: name, batch: 1 })
      const all: number[] = []
      for (const value of inputs) {
        const results = await net.run({ x: [new Array<number>(64).fill(value)] })
        all.push(await results.loss.item())
        expect(await results.updated.item()).toBe(Number.isFinite(value))
      }
      return all
    }
    const [good, skipped] = [await losses(1, 1, 1), await losses(1, Infinity, 1)]
    expect(new Set(good).size).toBe(3)
    expect([skipped[0], skipped[2]]).toEqual([good[0], good[2]])
  })
})

describe('dropout and stochastic depth', () => {
  const trained = (shape: readonly [number, number], rate: number, per: 'element' | 'sample') => {
    const b = new Builder('drop')
    const x = b.input('x', { dtype: 'float32', shape })
    const y = b.emit1('dropout', [x], { rate, per, stream: `drop ${rate} ${per}` })
    return graphOf(runPipeline(parsePipeline('to-training'), programOf(b.finish({ y }))).program) // the input program
  }
  const run = (g: Graph, size: number, seed: number, runIndex: number): Float64Array =>
    interpret(g, { inputs: { x: new Float64Array(size).fill(1) }, seed, runIndex }).outputs['y']?.data ??
    new Float64Array()
  /** Five standard deviations of the frequency of `rate` among `count` draws, and at least one draw. */
  const slack = (rate: number, count: number): number => 5 * Math.sqrt((rate * (1 - rate)) / count) + 1 / count
  const rates = fc.oneof(
    fc.constantFrom(0.2, 0.5, 0.0125),
    fc.integer({ min: 1, max: 95 }).map((n) => n / 100),
  )

  test.each([
    ['element', [40, 250], 10_000],
    ['sample', [5000, 3], 5000],
  ] as const)('per %s: frequency, expectation and independence', (per, shape, draws) => {
    fc.assert(
      fc.property(rates, fc.nat(2 ** 32 - 1), fc.nat(2 ** 20), (rate, seed, runIndex) => {
        const y = run(trained(shape, rate, per), shape[0] * shape[1], seed, runIndex)
        const kept = Math.fround(1 / (1 - rate))
        expect([...new Set(y)].filter((v) => v !== 0 && v !== kept)).toEqual([])
        const lines = per === 'sample' ? Array.from({ length: draws }, (_, r) => y.subarray(r * 3, r * 3 + 3)) : []
        expect(lines.every((line) => line.every((v) => v === line[0]))).toBe(true)
        const drawn = per === 'sample' ? lines.map((line) => line[0] ?? Number.NaN) : [...y]
        const dropped = drawn.filter((v) => v === 0).length / draws
        expect(Math.abs(dropped - rate)).toBeLessThan(slack(rate, draws))
        expect(Math.abs(drawn.reduce((sum, v) => sum + v, 0) / draws - 1)).toBeLessThan(slack(rate, draws) * kept)
        // Both of two neighbours, and the same element in the next run: as often as if neither knew of the other.
        const next = run(trained(shape, rate, per), shape[0] * shape[1], seed, runIndex + 1)
        const later = per === 'sample' ? drawn.map((_, r) => next[3 * r] ?? Number.NaN) : [...next]
        for (const other of [drawn.slice(1), later]) {
          const both = other.filter((v, i) => v === 0 && drawn[i] === 0).length / other.length
          expect(Math.abs(both - rate ** 2)).toBeLessThan(2 * slack(rate, draws))
        }
      }),
      { numRuns: 40, seed: 7 }, // of many draws some are rare: the seed is fixed
    )
  })
  test.each(['element', 'sample'] as const)('per %s: every position is dropped at its rate over the runs', (per) => {
    const [runs, rate] = [2000, 0.3]
    const g = trained([4, 2], rate, per)
    const counts = new Float64Array(8)
    for (let runIndex = 0; runIndex < runs; runIndex++)
      run(g, 8, 3, runIndex).forEach((v, i) => {
        if (v === 0) counts[i] = (counts[i] ?? 0) + 1
      })
    counts.forEach((count) => expect(Math.abs(count / runs - rate)).toBeLessThan(slack(rate, runs)))
  })
  test('EfficientNet-B0: 0.2 * i / 16 where the input is added, one draw per sample; 0.2 per element before the last layer; each a stream of its own', () => {
    const drops = liveOrder(efficientNet('b0', { resolution: 32 }).at({ batch: 2 })).flatMap((n) =>
      n.op === 'dropout' ? [n] : [],
    )
    const depth = drops.filter(({ attrs }) => attrs.per === 'sample')
    // The repeats of stages 2 to 6: blocks 2, 4, 6, 7, 9, 10, 12, 13, 14.
    const blocks = [2, 4, 6, 7, 9, 10, 12, 13, 14]
    expect(depth.map(({ path }) => Number(/^blocks\.(\d+)\//.exec(path)?.[1]))).toEqual(blocks)
    depth.forEach(({ attrs }, i) => expect(attrs.rate).toBeCloseTo((0.2 * (blocks[i] ?? 0)) / 16, 12))
    expect(
      drops.filter(({ attrs }) => attrs.per === 'element').map(({ attrs, path }) => [attrs.rate, path.split('/')[0]]),
    ).toEqual([[0.2, 'head']])
    expect(new Set(drops.map(({ attrs }) => attrs.stream)).size).toBe(drops.length)
  })
})
