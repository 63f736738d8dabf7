/** What only large operands reach on tfjs-wasm: sums by pooling, products turned round, taps of depthwise gradients in groups. */
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { runCase } from '../../src/backends/conformance.ts'
import { createTfjsBackend } from '../../src/backends/tfjs/index.ts'
import { poolingFor } from '../../src/backends/tfjs/lower/sums.ts'
import { Builder } from '../../src/ir/build.ts'
import { elements, type Graph } from '../../src/ir/types.ts'

let wasm: Backend
beforeAll(async () => {
  wasm = await createTfjsBackend({ backend: 'wasm' })
})

/** Numbers without a pattern that a wrong stride would keep, between -1 and 1, shifted. */
const noise = (length: number, shift = 0): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length }, (_, i) => shift + Math.sin(i * 12.9898 + (i % 7)) * Math.cos(i * 0.37))

const sumGraph = (shape: readonly number[], axes: readonly number[]): Graph => {
  const b = new Builder('sum')
  return b.finish({ y: b.reduceSum(b.input('x', { dtype: 'float32', shape }), axes) })
}

const kernelsOf = async (graph: Graph): Promise<readonly string[]> => {
  const store = wasm.createStore()
  const runnable = await wasm.compile(
    { name: graph.name, plans: { run: graph }, variables: [] },
    { bind: ({ name }) => ({ store, name }) },
  )
  const feeds = new Map(
    graph.nodes.flatMap((node) => {
      const [type] = node?.types ?? []
      return node?.op === 'input' && type !== undefined
        ? [[node.attrs.name, { type, host: new Float32Array(elements(type.shape)) }] as const]
        : []
    }),
  )
  const rows = await runnable.profile('run', feeds, { seed: 0, runIndex: 0, replica: 0 })
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
  ])('take $what: $shape over $axes', async ({ shape, axes }) => {
    expect(await kernelsOf(sumGraph(shape, axes))).toContain('AvgPool')
    for (const shift of [0, 1000]) {
      const inputs = { x: noise(elements(shape), shift) }
      const deviation = await runCase(wasm, { op: 'reduceSum', graph: sumGraph(shape, axes), inputs })
      expect(deviation?.ratio ?? 0).toBeLessThanOrEqual(1)
    }
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

  test('windows cover what they say', () => {
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
])('a transposing product $a by $b, turned round or not', async ({ a, b: right }) => {
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
