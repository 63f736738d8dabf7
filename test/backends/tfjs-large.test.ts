/** Code that only large operands use on tfjs-wasm: sums by pooling, exchanged operands of products, groups of taps, long rows, optimizers by kernels. */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { runCase } from '../../src/backends/conformance.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { repetitions } from '../../src/backends/tfjs/lower/long-rows.ts'
import { poolingFor } from '../../src/backends/tfjs/lower/sums.ts'
import { compile } from '../../src/compile.ts'
import { Builder } from '../../src/ir/build.ts'
import { broadcastTo, exp, float32, graph } from '../../src/index.ts'
import { elements, type Graph } from '../../src/ir/types.ts'
import type { Value } from '../../src/ir/value.ts'
import { programOf } from '../../src/passes/program.ts'

let wasm: Backend
beforeAll(async () => {
  wasm = await createTfjsBackend({ backend: 'wasm' })
})

/** Numbers between -1 and 1, plus `shift`, without a pattern that would hide a wrong stride. */
const noise = (length: number, shift = 0): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length }, (_, i) => shift + Math.sin(i * 12.9898 + (i % 7)) * Math.cos(i * 0.37))

const sumGraph = (shape: readonly number[], axes: readonly number[]): Graph => {
  const b = new Builder('sum')
  return b.finish({ y: b.reduceSum(b.input('x', { dtype: 'float32', shape }), axes) })
}

const kernelsOf = async (graph: Graph): Promise<readonly string[]> => {
  const store = wasm.createStore()
  const runnable = await wasm.compile(programOf(graph), store, { nameOf: (name) => name })
  const feeds = new Map(
    graph.nodes.flatMap((node) => {
      const [type] = node?.types ?? []
      return node?.op === 'input' && type !== undefined
        ? [[node.attrs.name, { type, host: new Float32Array(elements(type.shape)) }] as const]
        : []
    }),
  )
  const at = { seed: 0, runIndex: 0, replica: 0 }
  const rows = await store.turn((turn) => runnable.profile(turn, ['run'], feeds, at))
  runnable.dispose()
  store.dispose()
  return rows.map(({ kernel }) => kernel)
}

describe('sums by pooling', () => {
  test('agree with the reference over any axes', async () => {
    const size = fc.integer({ min: 1, max: 70 })
    const shapes = fc
      .tuple(size, size, size, size)
      .filter((shape) => elements(shape) >= 1 << 14 && elements(shape) < 1 << 20)
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.subarray([0, 1, 2, 3], { minLength: 1 }),
        fc.constantFrom(0, 1, 1000),
        async (shape, axes, shift) => {
          const deviation = await runCase(wasm, {
            op: 'reduceSum',
            graph: sumGraph(shape, axes),
            inputs: { x: noise(elements(shape), shift) },
          })
          expect(deviation?.ratio ?? 0).toBeLessThanOrEqual(1)
        },
      ),
      { numRuns: 40 },
    )
  })

  test.each([
    { shape: [50, 14, 14, 32], axes: [0, 1, 2], what: 'batch statistics' },
    { shape: [3, 131, 2, 40], axes: [1, 2], what: 'a remainder that no window takes' },
    { shape: [1 << 16], axes: [0], what: 'one long sum' },
    { shape: [2, 48 * 64 * 16], axes: [1], what: 'two long sums' },
    { shape: [4, 96, 96, 3], axes: [0, 1, 2], what: 'few channels' },
    { shape: [32, 4096], axes: [0], what: 'as many channels as the stack is sure to hold' },
  ])('take $what: $shape over $axes', async ({ shape, axes }) => {
    expect(await kernelsOf(sumGraph(shape, axes))).toContain('AvgPool')
    for (const shift of [0, 1000]) {
      const inputs = { x: noise(elements(shape), shift) }
      const deviation = await runCase(wasm, { op: 'reduceSum', graph: sumGraph(shape, axes), inputs })
      expect(deviation?.ratio ?? 0).toBeLessThanOrEqual(1)
    }
  })

  test('do not overflow the stack with many channels', async () => {
    const shape = [27, 32_391]
    const graph = sumGraph(shape, [0])
    for (let round = 0; round < 3; round++)
      expect(
        (await runCase(wasm, { op: 'reduceSum', graph, inputs: { x: noise(elements(shape)) } }))?.ratio,
      ).toBeLessThanOrEqual(1)
    expect(await kernelsOf(graph)).not.toContain('AvgPool')
  })

  test.each([
    ['NaN', Number.NaN, Number.NaN],
    ['infinity', Infinity, Infinity],
    ['minus infinity', -Infinity, -Infinity],
    ['more than float32 holds within a window, and less after', 3e38, null],
  ])('keep %s', async (_name, special, want) => {
    const shape = [400, 64]
    const x = new Float32Array(400 * 64).fill(1)
    for (const row of [7, 8, 9]) x[row * 64 + 5] = special
    if (want === null) for (const row of [10, 11, 12]) x[row * 64 + 5] = -special
    const deviation = await runCase(wasm, { op: 'reduceSum', graph: sumGraph(shape, [0]), inputs: { x } })
    expect(deviation?.ratio ?? 0).toBeLessThanOrEqual(1) // infinite where the reference is NaN and the result is not
    expect(await kernelsOf(sumGraph(shape, [0]))).toContain('AvgPool')
  })

  test('windows cover the stated positions', () => {
    const size = fc.integer({ min: 1, max: 5000 })
    fc.assert(
      fc.property(size, size, size, (outer, reduced, inner) => {
        const pooling = poolingFor({ outer, reduced, inner })
        if (pooling === null) return
        const { height, channels, window, rows } = pooling
        expect(height * channels).toBe(reduced * inner)
        expect(channels % inner).toBe(0)
        expect(rows * window).toBeLessThanOrEqual(height)
        expect(height - rows * window).toBeLessThan(window)
        expect(rows).toBeGreaterThan(0)
      }),
    )
  })
})

test.each([
  { a: [800, 8], b: [800, 200] },
  { a: [800, 200], b: [800, 8] },
  { a: [5, 3], b: [5, 40] },
])('a transposing product $a by $b, with and without exchanged operands', async ({ a, b: right }) => {
  const b = new Builder('product')
  const y = b.matmul(b.input('a', { dtype: 'float32', shape: a }), b.input('b', { dtype: 'float32', shape: right }), {
    transposeA: true,
  })
  const inputs = { a: noise(elements(a)), b: noise(elements(right), 0.5) }
  const deviation = await runCase(wasm, { op: 'matmul', graph: b.finish({ y }), inputs })
  expect(deviation?.ratio ?? 0).toBeLessThanOrEqual(1)
})

test.each(['wasm', 'cpu'])(
  'depthwise filter gradients of many positions, taps in several groups, on tfjs-%s',
  async (name) => {
    const [x, filterShape, strides] = [
      [9, 41, 40, 40],
      [3, 2, 40, 1],
      [1, 2],
    ] as const
    const b = new Builder('gradient')
    const [image, dy] = [
      b.input('x', { dtype: 'float32', shape: x }),
      b.input('dy', { dtype: 'float32', shape: [9, 41, 20, 40] }),
    ]
    const dw = b.emit1('depthwiseConv2dFilterGradient', [image, dy], {
      strides,
      padding: 'same',
      dilations: [1, 1],
      resultDtype: null,
      filterShape,
    })
    const deviation = await runCase(await createTfjsBackend({ backend: name }), {
      op: 'depthwiseConv2dFilterGradient',
      graph: b.finish({ dw }),
      inputs: { x: noise(elements(x)), dy: noise(9 * 41 * 20 * 40, 0.25) },
    })
    expect(deviation?.ratio ?? 0).toBeLessThanOrEqual(1)
  },
)

describe('vectors along few channels', () => {
  test('are repeated only if that divides the rows and stays small', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 2000 }), (rows, channels) => {
        const count = repetitions(rows, channels)
        if (count === null) return
        expect(rows % count).toBe(0)
        expect(count * 8).toBeLessThanOrEqual(rows)
        expect(count * channels).toBeGreaterThanOrEqual(512)
        expect(count * channels).toBeLessThanOrEqual(4096)
      }),
    )
  })

  const shape = [3, 20, 16, 24]
  test.each([
    ['of the last axis', [24], [3]],
    ['per sample', [3, 24], [0, 3]],
    ['of another axis, which stay as they are', [16], [2]],
  ] as const)('%s', async (_name, small, axes) => {
    const b = new Builder('vector')
    const [x, vector] = [
      b.input('x', { dtype: 'float32', shape }),
      b.broadcast(b.input('v', { dtype: 'float32', shape: [...small] }), shape, [...axes]),
    ]
    const graph = b.finish({ right: b.sub(x, vector), left: b.div(vector, x), twice: b.mul(vector, x) })
    const inputs = { x: noise(elements(shape), 3), v: noise(elements(small), 0.5) }
    const deviation = await runCase(wasm, { op: 'div', graph, inputs })
    expect(deviation?.ratio ?? 0).toBeLessThanOrEqual(1)
    const repeats = (await kernelsOf(graph)).filter((kernel) => kernel === 'repeat')
    expect(repeats.length).toBe(axes.at(-1) === 3 ? 1 : 0)
  })
})

describe.each([true, false])('large variables, finite: %s', (holds) => {
  const size = 9000
  const graphOf = (
    slots: number,
    emit: (b: Builder, values: readonly Value[], scalars: Scalars) => readonly Value[],
  ) => {
    const b = new Builder('optimizer')
    const values = Array.from({ length: slots }, (_, i) => b.input(`x${i}`, { dtype: 'float32', shape: [size] }))
    const scalars = {
      rate: b.input('rate', { dtype: 'float32', shape: [] }),
      step: b.input('step', { dtype: 'int32', shape: [] }),
      finite: b.input('finite', { dtype: 'bool', shape: [] }),
    }
    const results = emit(b, values, scalars)
    return b.finish(Object.fromEntries(results.map((value, i) => [`y${i}`, value])))
  }
  interface Scalars {
    readonly rate: Value
    readonly step: Value
    readonly finite: Value
  }
  const optimizers = {
    rmsprop: graphOf(4, (b, x, { rate, finite }) =>
      b.emit('rmsprop', [...x, rate, finite], { rho: 0.9, momentum: 0.9, epsilon: 1e-3 }),
    ),
    sgd: graphOf(3, (b, x, { rate, finite }) => b.emit('sgd', [...x, rate, finite], { momentum: 0.9, nesterov: true })),
    adam: graphOf(4, (b, x, { rate, step, finite }) =>
      b.emit('adam', [...x, rate, step, finite], { beta1: 0.9, beta2: 0.99, epsilon: 1e-3, weightDecay: 0.1 }),
    ),
    ema: graphOf(2, (b, x, { step, finite }) => b.emit('ema', [...x, step, finite], { decay: 0.9 })),
  }
  test.each(['rmsprop', 'sgd', 'adam', 'ema'] as const)('%s by kernels', async (op) => {
    const inputs = {
      ...Object.fromEntries([0, 1, 3].map((i) => [`x${i}`, noise(size, i === 3 ? 1 : 0)])),
      x2: noise(size, 1), // squares are not negative
      rate: [0.01],
      step: [4],
      finite: [holds ? 1 : 0],
    }
    const deviation = await runCase(wasm, { op, graph: optimizers[op], inputs })
    expect(deviation?.ratio ?? 0).toBeLessThanOrEqual(1)
  })
})

test('finds non-finite elements anywhere in large operands, without false positives for large numbers', async () => {
  const sizes = [17, 20_011, 1 << 15]
  const b = new Builder('finite')
  const operands = sizes.map((size, i) => b.input(`x${i}`, { dtype: 'float32', shape: [size] }))
  const graph = b.finish({ finite: b.emit1('allFinite', operands, {}) })
  const places = [null, [0, 16], [1, 0], [1, 20_010], [2, 0], [2, 12_345], [2, (1 << 15) - 1]] as const
  for (const value of [Number.NaN, Infinity, -Infinity, 3.4e38])
    for (const place of places) {
      const data = sizes.map((size) => noise(size))
      if (place !== null) {
        const [operand, element] = place
        // Large neighbors make a window overflow although the number itself is finite.
        for (let row = 0; row < 8; row++) (data[operand] as Float32Array)[Math.max(0, element - row * 32)] = value
      }
      const inputs = Object.fromEntries(data.map((x, i) => [`x${i}`, x]))
      expect(await runCase(wasm, { op: 'allFinite', graph, inputs })).toMatchObject({
        want: place === null || value === 3.4e38 ? 1 : 0,
        error: 0,
      })
    }
})

test('a run that exceeds the memory fails before it starts, and other runs work', async () => {
  const widened = async (side: number): Promise<readonly number[]> => {
    const model = graph('wide', { x: float32('batch', 1, 1) }, ({ x }) => ({ y: exp(broadcastTo(x, [2, side, side])) }))
    using net = await compile(model, { backend: wasm, batch: 2 })
    const { y } = await net.run({ x: [[[0]], [[0]]] })
    return [...(await y.data())]
  }
  const message = expect.stringMatching(/^wide needs [\d,]+ MiB for a run, more than tfjs-wasm can allocate$/)
  await expect(widened(40_000)).rejects.toMatchObject({ code: 'EF409', message }) // 12 GB
  expect(await widened(2)).toEqual(Array(8).fill(1))
})
