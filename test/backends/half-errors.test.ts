/** The tolerance of kernels with values of half types inside: no fault of some units is within it, no correct computation beyond it. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Backend } from '../../src/backends/backend.ts'
import { runShared } from '../../src/backends/conformance.ts'
import { halfErrorsOf } from '../../src/backends/half-errors.ts'
import { rankErrorsOf } from '../../src/backends/rank-errors.ts'
import { createWasmBackend } from '../../src/backends/wasm/index.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { opDef } from '../../src/ir/ops/index.ts'
import { parse } from '../../src/ir/parse.ts'
import type { Graph } from '../../src/ir/types.ts'
import { ampSettings } from '../../src/passes/mixed-precision/options.ts'
import { anyGraph, feedsFor, networkOfLayers, stepOfLayers, verifyGraph } from '../../src/testing/index.ts'
import { layerLists, stepOptions } from '../../src/testing/networks.ts'
import { wrongBackend } from '../testing/wrong-backends.ts'

const unit = { bfloat16: 2 ** -7, float16: 2 ** -10 } as const

/** A region with a float32 result, and with one value of the half type inside. */
const region = (half: 'bfloat16' | 'float16', after: string): Graph =>
  parse(`graph g {
  %0 = input() {name="x"} : float32[4]
  %1 = fusion(%0) {body=(%0: float32[4]) {
    %1 = tanh(%0) : float32[4]
    %2 = cast(%1) {relaxed=true, to="${half}"} : ${half}[4]
    %3 = cast(%2) {to="float32"} : float32[4]
    ${after}
    return %4
  }, kind="loop"} : float32[4]
  return y = %1
}`)
const x = [0.3, -0.9, 1.7, 0.02]

const errorsOf = (graph: Graph, inputs: { readonly [name: string]: readonly number[] }): readonly number[] => [
  ...(halfErrorsOf(graph, { inputs }).outputs.get('y') ?? []),
]

describe('the bound of one rounding', () => {
  test.each(['bfloat16', 'float16'] as const)('%s: one unit of the value times the slope of what follows', (half) => {
    const value = (at: number): number =>
      interpret(region(half, '%4 = neg(%3) : float32[4]'), { inputs: { x } }).outputs['y']?.data[at] as number
    const got = errorsOf(region(half, '%4 = mul(%3, %3) : float32[4]'), { x })
    for (const [at, error] of got.entries()) {
      const off = unit[half] * Math.abs(value(at))
      expect(error).toBeCloseTo(2 * Math.abs(value(at)) * off + off ** 2, 12)
    }
  })

  test('a sum adds them, a maximum takes the largest, a movement moves them, a comparison may be reversed', () => {
    const of = (op: string, type: string, x = [1, -2, 4, 0.5]): readonly number[] =>
      errorsOf(
        parse(`graph g {
  %0 = input() {name="x"} : float32[2,2]
  %1 = cast(%0) {to="bfloat16"} : bfloat16[2,2]
  %2 = cast(%1) {to="float32"} : float32[2,2]
  %3 = ${op} : ${type}
  return y = %3
}`),
        { x },
      )
    const u = unit.bfloat16
    expect(of('reduceSum(%2) {axes=[1]}', 'float32[2]')).toEqual([3 * u, 4.5 * u])
    expect(of('reduceMax(%2) {axes=[0]}', 'float32[2]')).toEqual([4 * u, 2 * u])
    expect(of('transpose(%2) {permutation=[1, 0]}', 'float32[2,2]')).toEqual([u, 4 * u, 2 * u, 0.5 * u])
    expect(of('matmul(%2, %0) {transposeB=true}', 'float32[2,2]')).toEqual([5 * u, 5 * u, 5 * u, 16.25 * u])
    expect(of('compare(%2, %0) {direction="gt"}', 'bool[2,2]')).toEqual([1, 1, 1, 1])
    expect(of('compare(%2, %0) {direction="eq"}', 'bool[2,2]', [1.003, 2, 3, 4])).toEqual([1, 1, 1, 1])
  })

  test('an index may be that of any element whose error lets it have the rank, and of no other', () => {
    const of = (op: string, types: string, x: readonly number[], port = 0): readonly number[] =>
      errorsOf(
        parse(`graph g {
  %0 = input() {name="x"} : float32[2,3]
  %1 = cast(%0) {to="bfloat16"} : bfloat16[2,3]
  %2 = cast(%1) {to="float32"} : float32[2,3]
  %3${types.includes(', ') ? ':2' : ''} = ${op} : ${types}
  return y = %3${types.includes(', ') ? `.${port}` : ''}
}`),
        { x },
      )
    const u = unit.bfloat16
    // In the first row the last two are within u of each other, in the second row none are.
    const x = [1, 4, 4 + 4 * u, 0, 2, 1]
    expect(of('argMax(%2) {axis=1}', 'int32[2]', x)).toEqual([1, 0])
    expect(of('argMax(%2) {axis=0}', 'int32[3]', x)).toEqual([0, 0, 0])
    expect(of('topK(%2) {k=2}', 'float32[2,2], int32[2,2]', x, 1)).toEqual([1, 1, 0, 0])
    expect(of('topK(%2) {k=2}', 'float32[2,2], int32[2,2]', x)).toEqual([4 * u * (1 + u), 4 * u, 2 * u, u])
    // An overflow may be a number in another computation, so any index is allowed; NaN stays NaN.
    expect(of('argMax(%2) {axis=1}', 'int32[2]', [1, Infinity, 3, 1, Number.NaN, 3])).toEqual([1, 0])
  })

  test('every index and value of random operands within the errors is within the bound, and the bound is reached', () => {
    const size = 5
    let reached = 0
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -8, max: 8 }), fc.nat(3), fc.integer({ min: -4, max: 4 })), {
          minLength: size,
          maxLength: size,
        }),
        fc.integer({ min: 1, max: size }),
        (line, k) => {
          const sorted = (data: readonly number[]) =>
            opDef('topK')
              .evalRef({
                inputs: [{ dtype: 'float32', shape: [size], data: Float64Array.from(data) }],
                attrs: { k },
                types: [],
                cx: undefined as never, // topK does not use it
              })
              .map((list) => [...list])
          const x = line.map(([value]) => value)
          const tensor = { dtype: 'float32', shape: [size], data: Float64Array.from(x) } as const
          const bounds = rankErrorsOf(
            tensor,
            Float64Array.from(line, ([, error]) => error),
            0,
            k,
          )
          const [values, indices] = sorted(x)
          const [otherValues, otherIndices] = sorted(line.map(([value, error, part]) => value + (error * part) / 4))
          for (let rank = 0; rank < k; rank++) {
            const off = Math.abs((values?.[rank] ?? 0) - (otherValues?.[rank] ?? 0))
            const moved = Math.abs((indices?.[rank] ?? 0) - (otherIndices?.[rank] ?? 0))
            expect(off).toBeLessThanOrEqual(bounds.values[rank] ?? 0)
            expect(moved).toBeLessThanOrEqual(bounds.indices[rank] ?? 0)
            if (moved > 0 && moved === bounds.indices[rank]) reached++
          }
        },
      ),
      { numRuns: 1000 },
    )
    expect(reached).toBeGreaterThan(100)
  })

  test('a value that is fed has none, and neither has a graph without half types', () => {
    expect(
      errorsOf(
        parse(`graph g {
  %0 = input() {name="x"} : bfloat16[1]
  %1 = cast(%0) {to="float32"} : float32[1]
  return y = %1
}`),
        { x: [1] },
      ),
    ).toEqual([])
    const wide = 'graph g { %x = input() {name="x"} : float32[1] %y = neg(%x) : float32[1] return y = %y }'
    expect(errorsOf(parse(wide), { x: [1] })).toEqual([])
  })

  test('no bound is known beyond a pole', () => {
    expect(errorsOf(region('bfloat16', '%4 = reciprocal(%3) : float32[4]'), { x }).every(Number.isFinite)).toBe(true)
    const crossing = parse(
      `graph g { %x = input() {name="x"} : float32[1] %h = cast(%x) {to="bfloat16"} : bfloat16[1] %w = cast(%h) {to="float32"} : float32[1] %d = sub(%w, %x) : float32[1] %y = reciprocal(%d) : float32[1] return y = %y }`,
    )
    expect(errorsOf(crossing, { x: [1.001] })).toEqual([Infinity])
  })

  test('contains what a computation without any rounding gives, on random graphs', () => {
    let judged = 0
    fc.assert(
      fc.property(anyGraph({ stepsMax: 10 }), fc.nat(1000), ({ graph }, seed) => {
        const { inputs, variables } = feedsFor(graph, seed)
        const { outputs } = halfErrorsOf(graph, { inputs, variables })
        const declared = interpret(graph, { inputs, variables }).outputs
        const exact = interpret(graph, { inputs, variables, mode: 'float64' }).outputs
        for (const [name, errors] of outputs) {
          const [w, e] = [declared[name]?.data ?? [], exact[name]?.data ?? []]
          errors.forEach((error, i) => {
            const [want, got] = [w[i] as number, e[i] as number]
            if (!Number.isFinite(want) || !Number.isFinite(got)) return
            judged += Number.isFinite(error) ? 1 : 0
            // What float32 rounds comes on top.
            expect(Math.abs(want - got)).toBeLessThanOrEqual(error * (1 + 1e-4) + 1e-4 * (1 + Math.abs(want)))
          })
        }
      }),
      { numRuns: 400 },
    )
    expect(judged).toBeGreaterThan(500)
  })
})

describe('what kernels with such values are allowed', () => {
  const judge = (backend: Backend, graph: Graph) =>
    runShared(backend, { op: 'fusion', graphs: [graph], rounds: [{ inputs: { x }, variables: {} }], isFused: false })
  const plain = (half: 'bfloat16' | 'float16') => region(half, '%4 = add(%3, %3) : float32[4]')

  test.each(['bfloat16', 'float16'] as const)(
    '%s: a fault of three units is found, one of a half is not',
    async (half) => {
      const off = (units: number): Backend => wrongBackend('fusion', (b, y) => b.mul(y, 1 + units * unit[half]))
      expect((await judge(off(0.5), plain(half)))?.ratio).toBeLessThanOrEqual(1)
      expect((await judge(off(3), plain(half)))?.ratio).toBeGreaterThan(2)
    },
  )

  test('a rounding to another half type is found where it is the coarser one', async () => {
    const wrong = wrongBackend('fusion', (b, y) => b.cast(b.cast(y, 'bfloat16'), 'float32'))
    expect((await judge(wrong, plain('float16')))?.ratio).toBeGreaterThan(1)
  })

  test('a float32 result of the same kernel gets nothing of it', () => {
    const graph = parse(`graph g {
  %0 = input() {name="x"} : float32[4]
  %1:2 = fusion(%0) {body=(%0: float32[4]) {
    %1 = cast(%0) {to="bfloat16"} : bfloat16[4]
    %2 = tanh(%0) : float32[4]
    return %1, %2
  }, kind="loop"} : bfloat16[4], float32[4]
  return h = %1.0, y = %1.1
}`)
    expect([...halfErrorsOf(graph, { inputs: { x } }).outputs.keys()]).toEqual(['h'])
  })

  test('mixed precision of random networks and steps passes on the backend wasm', async () => {
    const backend = await createWasmBackend({ threads: 1 })
    try {
      await fc.assert(
        fc.asyncProperty(
          layerLists,
          stepOptions,
          fc.constantFrom('bfloat16', 'float16'),
          fc.boolean(),
          fc.nat(1000),
          async (layers, options, dtype, isTraining, seed) => {
            const given = isTraining ? stepOfLayers(layers, options) : networkOfLayers(layers)
            const switches = { simplify: true, fusion: true, amp: ampSettings({ dtype }) }
            expect((await verifyGraph(given, backend, { batch: 2, seed, switches })).failures).toEqual([])
          },
        ),
        { numRuns: 5 },
      )
    } finally {
      backend.dispose()
    }
  }, 240_000)

  test('fused random graphs of mixed types pass on the backend wasm', async () => {
    const backend = await createWasmBackend({ threads: 1 })
    try {
      await fc.assert(
        fc.asyncProperty(anyGraph({ effects: false }), fc.nat(1000), async ({ graph }, seed) => {
          expect((await verifyGraph(graph, backend, { seed })).failures).toEqual([])
        }),
        { numRuns: 40 },
      )
    } finally {
      backend.dispose()
    }
  }, 240_000)
})
