/** Composites and model-form ops: known values, extreme operands, half operands, and what each numbered constraint rejects. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../../src/ir/build.ts'
import { interpret, type Mode, type Numbers } from '../../../src/ir/interpret.ts'
import { compositeOps } from '../../../src/ir/ops/composite/index.ts'
import { opDocs } from '../../../src/ir/ops/docs.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { opVjp } from '../../../src/ir/ops/vjps.ts'
import type { CompositeOps, ModelOps, OpAttrs } from '../../../src/ir/signatures.ts'
import type { DType, Type } from '../../../src/ir/types.ts'
import type { Value } from '../../../src/ir/value.ts'

type Name = keyof (ModelOps & CompositeOps)
const of = (dtype: DType, ...shape: readonly number[]): Type => ({ dtype, shape })
const f32 = (...shape: readonly number[]): Type => of('float32', ...shape)
const f16 = (...shape: readonly number[]): Type => of('float16', ...shape)
type Operand = readonly [Type, Numbers]

/** One list of numbers per output, of the op or of its decomposition. */
const results = (
  make: (b: Builder, inputs: readonly Value[]) => readonly Value[],
  operands: readonly Operand[],
  mode: Mode,
): readonly (readonly number[])[] => {
  const b = new Builder('test')
  const values = make(
    b,
    operands.map(([type], i) => b.input(`x${i}`, type)),
  )
  const graph = b.finish(Object.fromEntries(values.map((value, port) => [`y${port}`, value])))
  const inputs = Object.fromEntries(operands.map(([, data], i) => [`x${i}`, data]))
  const { outputs } = interpret(graph, { inputs, mode })
  return values.map((_, port) => [...(outputs[`y${port}`]?.data ?? [])])
}
const run = <K extends Name>(op: K, operands: readonly Operand[], attrs: OpAttrs<K>, mode: Mode = 'float64') =>
  results((b, inputs) => b.emit(op, inputs, attrs), operands, mode)
const runDecomposed = <K extends Name>(
  op: K,
  operands: readonly Operand[],
  attrs: OpAttrs<K>,
  mode: Mode = 'float64',
) =>
  results(
    (b, inputs) => {
      const types = b.emit(op, inputs, attrs).map(({ dtype, shape }) => ({ dtype, shape }))
      return opDef(op).decompose?.({ inputs, attrs, types, b }) ?? []
    },
    operands,
    mode,
  )
const both = <K extends Name>(op: K, operands: readonly Operand[], attrs: OpAttrs<K>) =>
  [run(op, operands, attrs), runDecomposed(op, operands, attrs)] as const

const expectNear = (got: readonly number[] | undefined, want: readonly number[], tolerance = 1e-12): void => {
  expect(got).toHaveLength(want.length)
  want.forEach((x, i) => {
    const g = got?.[i] ?? Number.NaN
    const isSame = g === x || (Number.isNaN(g) && Number.isNaN(x))
    if (!isSame && !(Math.abs(g - x) <= tolerance * Math.max(1, Math.abs(x))))
      expect.fail(`element ${i}: got ${g}, expected ${x}`)
  })
}
const reduce = (axes: readonly number[], resultDtype: 'float32' | null = null): OpAttrs<'mean'> => ({
  axes,
  keepDims: false,
  resultDtype,
})

describe('known values', () => {
  const log3 = Math.log(3)
  // Computed by hand, or from closed forms: softmax of logarithms gives their proportions; the slope of silu at 0 is 1/2.
  test.each<[Name, readonly Operand[], object, readonly (readonly number[])[]]>([
    ['softmax', [[f32(4), [0, log3, 0, log3]]], { axis: 0 }, [[1 / 8, 3 / 8, 1 / 8, 3 / 8]]],
    ['softmax', [[f32(2, 2), [0, 0, log3, 0]]], { axis: 0 }, [[1 / 4, 1 / 2, 3 / 4, 1 / 2]]],
    ['logSoftmax', [[f32(2), [0, log3]]], { axis: 0 }, [[-Math.log(4), log3 - Math.log(4)]]],
    [
      'softmaxCrossEntropy',
      [
        [f32(2, 2), [0, log3, 0, 0]],
        [f32(2, 2), [1, 0, 0.5, 0.5]],
      ],
      {},
      [[Math.log(4), Math.log(2)]],
    ],
    // Labels that do not sum to 1 are weighted by their sum.
    [
      'softmaxCrossEntropyGradient',
      [
        [f32(1, 2), [0, log3]],
        [f32(1, 2), [2, 0]],
        [f32(1), [10]],
      ],
      {},
      [[-15, 15]],
    ],
    ['silu', [[f32(3), [0, log3, -log3]]], {}, [[0, 0.75 * log3, -0.25 * log3]]],
    [
      'siluGradient',
      [
        [f32(2), [0, log3]],
        [f32(2), [4, 16]],
      ],
      {},
      [[2, 12 + 3 * log3]],
    ],
    ['mean', [[f32(2, 3), [1, 2, 3, 4, 5, 9]]], reduce([1]), [[2, 6]]],
    ['mean', [[f32(2, 3), [1, 2, 3, 4, 5, 9]]], reduce([0, 1]), [[4]]],
    ['variance', [[f32(2, 3), [1, 2, 3, 4, 5, 9]]], reduce([1]), [[2 / 3, 14 / 3]]],
    ['variance', [[f32(3), [7, 7, 7]]], reduce([0]), [[0]]],
    ['dropout', [[f32(2), [3, -4]]], { rate: 0.5, per: 'element', stream: 's' }, [[3, -4]]],
    // (x - 1) / sqrt(3 + 1) * 10 + 5 and (x - 2) / sqrt(0 + 1) * 2 + 0
    ...(['batchNorm', 'batchNormInference'] as const).map(
      (op): [Name, readonly Operand[], object, readonly (readonly number[])[]] => [
        op,
        [
          [f32(2, 2), [3, 3, 1, 0]],
          [f32(2), [10, 2]],
          [f32(2), [5, 0]],
          [f32(2), [1, 2]],
          [f32(2), [3, 0]],
        ],
        op === 'batchNorm' ? { epsilon: 1, momentum: 0.9 } : { epsilon: 1 },
        [[15, 2, 5, -4]],
      ],
    ),
    // Columns 1, 3 and 4, 4: means 2 and 4, variances 1 and 0; epsilon 3 makes the roots 2 and sqrt(3).
    [
      'batchNormTraining',
      [
        [f32(2, 2), [1, 4, 3, 4]],
        [f32(2), [10, 1]],
        [f32(2), [0, 7]],
      ],
      { epsilon: 3 },
      [
        [-5, 7, 5, 7],
        [2, 4],
        [1, 0],
        [0.5, 1 / Math.sqrt(3)],
      ],
    ],
    // h = -1/2, 1/2; doffset = 8, dscale = 1; dx = 10/2 * (dy - 4 - h/2)
    [
      'batchNormGradient',
      [
        [f32(2, 1), [1, 3]],
        [f32(1), [10]],
        [f32(1), [2]],
        [f32(1), [0.5]],
        [f32(2, 1), [3, 5]],
      ],
      {},
      [[-3.75, 3.75], [1], [8]],
    ],
  ])('%s %#', (op, operands, attrs, want) => {
    const got = run(op, operands, attrs as OpAttrs<typeof op>)
    expect(got).toHaveLength(want.length)
    want.forEach((list, port) => expectNear(got[port], list))
  })
})

describe('extreme logits', () => {
  const big = [1e4, -1e4, 0]
  test('differences beyond the range of exp', () => {
    const x: readonly Operand[] = [[f32(1, 3), big]]
    for (const [y] of both('softmax', x, { axis: 1 })) expectNear(y, [1, 0, 0], 0)
    for (const [y] of both('logSoftmax', x, { axis: 1 })) expectNear(y, [0, -2e4, -1e4], 0)
    const labelled: readonly Operand[] = [...x, [f32(1, 3), [0, 1, 0]]]
    for (const [loss] of both('softmaxCrossEntropy', labelled, {})) expectNear(loss, [2e4], 0)
    for (const [d] of both('softmaxCrossEntropyGradient', [...labelled, [f32(1), [1]]], {}))
      expectNear(d, [1, -1, 0], 0)
  })
  test.each([1e8, -1e8, 1e300, -1e300])(
    'a shift by %d changes nothing: a large logit loses no digits of the others',
    (shift) => {
      const equal: readonly Operand[] = [[f32(1, 3), [shift, shift, shift]]]
      const third = [1 / 3, 1 / 3, 1 / 3]
      for (const [y] of both('softmax', equal, { axis: 1 })) expectNear(y, third, 1e-15)
      for (const [y] of both('logSoftmax', equal, { axis: 1 })) expectNear(y, third.map(Math.log), 1e-15)
      const labelled: readonly Operand[] = [...equal, [f32(1, 3), [0, 1, 0]]]
      for (const [loss] of both('softmaxCrossEntropy', labelled, {})) expectNear(loss, [Math.log(3)], 1e-15)
      for (const [d] of both('softmaxCrossEntropyGradient', [...labelled, [f32(1), [3]]], {}))
        expectNear(d, [1, -2, 1], 1e-15)
    },
  )
  test.each([
    ['NaN', [Number.NaN, 1, 2]],
    ['+infinity', [Infinity, 1, 2]],
    ['only -infinity', [-Infinity, -Infinity, -Infinity]],
  ])('C5: %s makes only its own line NaN', (_what, line) => {
    const nan = [Number.NaN, Number.NaN, Number.NaN]
    const x: readonly Operand[] = [[f32(2, 3), [...line, 0, 0, 0]]]
    const third = [1 / 3, 1 / 3, 1 / 3]
    for (const [y] of both('softmax', x, { axis: 1 })) expectNear(y, [...nan, ...third])
    for (const [y] of both('logSoftmax', x, { axis: 1 })) expectNear(y, [...nan, ...third.map(Math.log)])
    const labelled: readonly Operand[] = [...x, [f32(2, 3), [0, 1, 0, 0, 1, 0]]]
    for (const [loss] of both('softmaxCrossEntropy', labelled, {})) expectNear(loss, [Number.NaN, Math.log(3)])
    for (const [d] of both('softmaxCrossEntropyGradient', [...labelled, [f32(2), [1, 3]]], {}))
      expectNear(d, [...nan, 1, -2, 1])
  })
  test('-infinity among finite logits has probability 0', () => {
    const x: readonly Operand[] = [[f32(1, 3), [-Infinity, 0, 0]]]
    for (const [y] of both('softmax', x, { axis: 1 })) expectNear(y, [0, 0.5, 0.5])
    for (const [y] of both('logSoftmax', x, { axis: 1 })) expectNear(y, [-Infinity, -Math.LN2, -Math.LN2])
    // C4: unless a label has that class
    for (const [loss] of both('softmaxCrossEntropy', [...x, [f32(1, 3), [0, 1, 0]]], {})) expectNear(loss, [Math.LN2])
    for (const [loss] of both('softmaxCrossEntropy', [...x, [f32(1, 3), [1, 0, 0]]], {})) expectNear(loss, [Infinity])
  })
  test('silu at infinities', () => {
    for (const [y] of both('silu', [[f32(4), [-Infinity, Infinity, -1000, 1000]]], {}))
      expectNear(y, [Number.NaN, Infinity, 0, 1000])
    const ones: Operand = [f32(4), [1, 1, 1, 1]]
    for (const [d] of both('siluGradient', [[f32(4), [-Infinity, Infinity, -1000, 1000]], ones], {}))
      expectNear(d, [Number.NaN, Number.NaN, 0, 1])
  })
})

test('statistics are computed in two passes: a mean far from 0 loses no digits', () => {
  // Here the mean of squares minus the squared mean has an error of 2 or more.
  const far = [1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4]
  for (const [v] of both('variance', [[f32(4), far]], reduce([0]))) expectNear(v, [1.25], 0)
  const operands: readonly Operand[] = [
    [f32(4, 1), far],
    [f32(1), [1]],
    [f32(1), [0]],
  ]
  for (const [, mean, variance] of both('batchNormTraining', operands, { epsilon: 0.75 })) {
    expectNear(mean, [1e9 + 2.5], 0)
    expectNear(variance, [1.25], 0)
  }
  // The same in float32, node by node.
  const near = [10001, 10002, 10003, 10004]
  expectNear(runDecomposed('variance', [[f32(4), near]], reduce([0]), 'declared')[0], [1.25], 0)
})

describe('half operands: decompositions compute in float32 and narrow once', () => {
  // Each of these overflows float16 (largest number 65504) if an intermediate is half.
  test.each<[Name, readonly Operand[], object, readonly (readonly number[])[]]>([
    ['mean', [[f16(4), [60000, 60000, 60000, 60000]]], reduce([0]), [[60000]]],
    // With a half sigmoid, the result would be the next half number.
    ['silu', [[f16(1), [0.107421875]]], {}, [[0.05657958984375]]],
    [
      'siluGradient',
      [
        [f16(1), [0.044921875]],
        [f16(1), [3]],
      ],
      {},
      [[1.5673828125]],
    ],
    ['variance', [[f16(2), [-200, 200]]], reduce([0]), [[40000]]],
    ['variance', [[f16(2), [-300, 300]]], reduce([0], 'float32'), [[90000]]],
    ['softmax', [[f16(2), [60000, -60000]]], { axis: 0 }, [[1, 0]]],
    ['logSoftmax', [[f16(3), [40000, 0, 40000]]], { axis: 0 }, [[-0.693359375, -40000, -0.693359375]]],
    [
      'softmaxCrossEntropy',
      [
        [f16(1, 2), [20000, -40000]],
        [f16(1, 2), [0, 1]],
      ],
      {},
      [[60000]],
    ],
    // 2.5 * log(2) rounds to 1774/1024; with a half log(2) it would be 1775/1024.
    [
      'softmaxCrossEntropy',
      [
        [f16(1, 2), [0, 0]],
        [f16(1, 2), [2.5, 0]],
      ],
      {},
      [[1774 / 1024]],
    ],
    [
      'softmaxCrossEntropyGradient',
      [
        [f16(1, 2), [60000, -60000]],
        [f16(1, 2), [0, 1]],
        [f16(1), [2]],
      ],
      {},
      [[2, -2]],
    ],
    [
      'batchNormInference',
      [
        [f16(1, 1), [60000]],
        [f32(1), [2]],
        [f32(1), [-80000]],
        [f32(1), [0]],
        [f32(1), [1]],
      ],
      { epsilon: 0 },
      [[40000]],
    ],
    [
      'batchNormTraining',
      [
        [f16(2, 1), [-60000, 60000]],
        [f32(1), [1]],
        [f32(1), [0]],
      ],
      { epsilon: 0 },
      [[-1, 1], [0], [3.6e9], [Math.fround(1 / 60000)]],
    ],
    [
      'batchNormGradient',
      [
        [f16(2, 1), [-1, 1]],
        [f32(1), [1]],
        [f32(1), [0]],
        [f32(1), [1]],
        [f16(2, 1), [60000, 60000]],
      ],
      {},
      [[0, 0], [0], [120000]],
    ],
  ])('%s %#', (op, operands, attrs, want) => {
    for (const got of [
      run(op, operands, attrs as OpAttrs<typeof op>, 'declared'),
      runDecomposed(op, operands, attrs as OpAttrs<typeof op>, 'declared'),
    ])
      want.forEach((list, port) => expectNear(got[port], list, 1e-6))
  })
  test('mean with a float32 result is not narrowed', () => {
    // 2049 is between two float16 numbers.
    const operands: readonly Operand[] = [[f16(2), [2048, 2050]]]
    expect(runDecomposed('mean', operands, reduce([0], 'float32'), 'declared')).toEqual([[2049]])
    expect(runDecomposed('mean', operands, reduce([0]), 'declared')).toEqual([[2048]])
  })
})

describe('batch norm in training', () => {
  const numbers = (length: number) =>
    fc.array(
      fc.integer({ min: -16, max: 16 }).map((v) => v / 8),
      { minLength: length, maxLength: length },
    )
  const batches = fc
    .record({ rows: fc.integer({ min: 2, max: 6 }), channels: fc.integer({ min: 1, max: 3 }) })
    .chain(({ rows, channels }) =>
      fc.record({
        rows: fc.constant(rows),
        channels: fc.constant(channels),
        x: numbers(rows * channels),
        dy: numbers(rows * channels),
        probe: numbers(rows * channels),
        scale: numbers(channels),
      }),
    )
  const column = (data: readonly number[], channels: number, c: number) => data.filter((_, i) => i % channels === c)
  const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, v, i) => sum + v * (b[i] ?? 0), 0)

  test('y has mean offset and variance scale^2 * v / (v + epsilon) per channel', () => {
    fc.assert(
      fc.property(batches, ({ rows, channels, x, scale }) => {
        const offset = scale.map((s) => 1 - s)
        const operands: readonly Operand[] = [
          [f32(rows, channels), x],
          [f32(channels), scale],
          [f32(channels), offset],
        ]
        const [y = [], , variance = []] = run('batchNormTraining', operands, { epsilon: 0.01 })
        for (let c = 0; c < channels; c++) {
          const line = column(y, channels, c)
          const mean = line.reduce((a, b) => a + b, 0) / rows
          const spread = line.reduce((sum, v) => sum + (v - mean) ** 2, 0) / rows
          const v = variance[c] ?? Number.NaN
          expectNear([mean, spread], [offset[c] ?? Number.NaN, ((scale[c] ?? Number.NaN) ** 2 * v) / (v + 0.01)], 1e-10)
        }
      }),
    )
  })
  test('a gradient has no component along the mean of the batch nor, without epsilon, its scale', () => {
    fc.assert(
      fc.property(batches, ({ rows, channels, x, dy, scale }) => {
        const vector = f32(channels)
        const [, mean = [], variance = [], inverse = []] = run(
          'batchNormTraining',
          [
            [f32(rows, channels), x],
            [vector, scale],
            [vector, scale],
          ],
          { epsilon: 0 },
        )
        fc.pre(variance.every((v) => v > 0.1))
        const [dx = []] = run(
          'batchNormGradient',
          [
            [f32(rows, channels), x],
            [vector, scale],
            [vector, mean],
            [vector, inverse],
            [f32(rows, channels), dy],
          ],
          {},
        )
        for (let c = 0; c < channels; c++) {
          const line = column(dx, channels, c)
          expectNear([line.reduce((a, b) => a + b, 0), dot(line, column(x, channels, c))], [0, 0], 1e-9)
        }
      }),
    )
  })
  test('second derivatives: the gradient of <dx, probe> by x, through all operands of batchNormGradient', () => {
    const epsilon = 0.25
    fc.assert(
      fc.property(batches, ({ rows, channels, x, dy, probe, scale }) => {
        const [image, vector] = [f32(rows, channels), f32(channels)]
        const dxAt = (at: readonly number[]): readonly number[] => {
          const [, mean = [], , inverse = []] = run(
            'batchNormTraining',
            [
              [image, at],
              [vector, scale],
              [vector, scale],
            ],
            { epsilon },
          )
          return (
            run(
              'batchNormGradient',
              [
                [image, at],
                [vector, scale],
                [vector, mean],
                [vector, inverse],
                [image, dy],
              ],
              {},
            )[0] ?? []
          )
        }
        const [got = []] = results(
          (b, [xIn, scaleIn, dyIn, probeIn]) => {
            if (xIn === undefined || scaleIn === undefined || dyIn === undefined || probeIn === undefined) return []
            const training = b.emit('batchNormTraining', [xIn, scaleIn, scaleIn], { epsilon })
            const [, mean, , inverse] = training
            if (mean === undefined || inverse === undefined) return []
            const inputs = [xIn, scaleIn, mean, inverse, dyIn]
            const gradient = b.emit('batchNormGradient', inputs, {})
            const [back, forward] = [opVjp('batchNormGradient'), opVjp('batchNormTraining')]
            if (typeof back !== 'function' || typeof forward !== 'function') return []
            const [direct, , byMean, byInverse] = back({
              outGrads: [probeIn, null, null],
              inputs,
              outputs: gradient,
              attrs: {},
              b,
            })
            const [viaStatistics] = forward({
              outGrads: [null, byMean ?? null, null, byInverse ?? null],
              inputs: [xIn, scaleIn, scaleIn],
              outputs: training,
              attrs: { epsilon },
              b,
            })
            return direct && viaStatistics ? [b.add(direct, viaStatistics)] : []
          },
          [
            [image, x],
            [vector, scale],
            [image, dy],
            [image, probe],
          ],
          'float64',
        )
        const step = 1e-5
        const moved = (i: number, delta: number) => dot(dxAt(x.map((v, j) => (j === i ? v + delta : v))), probe)
        expectNear(
          got,
          x.map((_, i) => (moved(i, step) - moved(i, -step)) / (2 * step)),
          1e-6,
        )
      }),
      { numRuns: 30 },
    )
  })
})

describe('what each constraint rejects', () => {
  const x = f32(2, 3)
  const v = f32(3)
  const cases: readonly (readonly [Name, string, readonly Type[], object, RegExp])[] = [
    ...(['batchNorm', 'batchNormInference'] as const).flatMap(
      (op) =>
        [
          [op, 'C1', [f32(), v, v, v, v], { epsilon: 0.1, momentum: 0.9 }, /rank 1 or more is needed, got float32\[\]/],
          [
            op,
            'C1',
            [of('int32', 2, 3), v, v, v, v],
            { epsilon: 0.1, momentum: 0.9 },
            /a float operand .* got int32\[2,3\]/,
          ],
          [
            op,
            'C2',
            [x, v, v, f32(2), v],
            { epsilon: 0.1, momentum: 0.9 },
            /vectors must be float32\[3\], got float32\[2\]/,
          ],
          [
            op,
            'C2',
            [f16(2, 3), v, v, v, f16(3)],
            { epsilon: 0.1, momentum: 0.9 },
            /must be float32\[3\], got float16\[3\]/,
          ],
        ] as const,
    ),
    ['batchNormTraining', 'C1', [of('bool', 3), v, v], { epsilon: 0.1 }, /got bool\[3\]/],
    ['batchNormTraining', 'C2', [x, v, f32(1, 3)], { epsilon: 0.1 }, /must be float32\[3\], got float32\[1,3\]/],
    ['batchNormGradient', 'C1', [f32(), v, v, v, f32()], {}, /rank 1 or more/],
    ['batchNormGradient', 'C2', [x, v, f32(4), v, x], {}, /must be float32\[3\], got float32\[4\]/],
    ['batchNormGradient', 'C3', [x, v, v, v, f32(3, 2)], {}, /dy must be float32\[2,3\], got float32\[3,2\]/],
    ['batchNormGradient', 'C3', [x, v, v, v, f16(2, 3)], {}, /dy must be float32\[2,3\], got float16\[2,3\]/],
    [
      'dropout',
      'C1',
      [of('int32', 2)],
      { rate: 0.5, per: 'element', stream: 's' },
      /a float operand is needed, got int32/,
    ],
    ['silu', 'C1', [of('bool', 2)], {}, /a float operand is needed, got bool/],
    ['siluGradient', 'C1', [x, v], {}, /operand shapes differ: float32\[2,3\] and float32\[3\]/],
    ['siluGradient', 'C2', [x, f16(2, 3)], {}, /operand dtypes differ: float32 and float16/],
    ['siluGradient', 'C3', [of('bool', 2), of('bool', 2)], {}, /numeric operands are needed, got bool/],
    ['siluGradient', 'C4', [of('int32', 2), of('int32', 2)], {}, /float operands are needed, got int32/],
    ...(['softmax', 'logSoftmax'] as const).flatMap(
      (op) =>
        [
          [op, 'C1', [of('int32', 2, 3)], { axis: 0 }, /a float operand is needed, got int32\[2,3\]/],
          [op, 'C2', [x], { axis: 2 }, /axis 2 of a tensor of rank 2/],
        ] as const,
    ),
    ['softmaxCrossEntropy', 'C1', [v, v], {}, /float logits \[N,C\] are needed, got float32\[3\]/],
    ['softmaxCrossEntropy', 'C1', [of('int32', 2, 3), of('int32', 2, 3)], {}, /got int32\[2,3\]/],
    ['softmaxCrossEntropy', 'C2', [x, f32(2, 4)], {}, /labels must be float32\[2,3\], got float32\[2,4\]/],
    ['softmaxCrossEntropyGradient', 'C1', [v, v, f32(1)], {}, /float logits \[N,C\]/],
    [
      'softmaxCrossEntropyGradient',
      'C2',
      [x, f16(2, 3), f32(2)],
      {},
      /labels must be float32\[2,3\], got float16\[2,3\]/,
    ],
    ['softmaxCrossEntropyGradient', 'C3', [x, x, v], {}, /dloss must be float32\[2\], got float32\[3\]/],
    ...(['mean', 'variance'] as const).flatMap(
      (op) =>
        [
          [op, 'C1', [x], reduce([2]), /axes \[2\] of a tensor of rank 2/],
          [op, 'C1', [x], reduce([1, 0]), /ascending and distinct, got \[1,0\]/],
          [op, 'C2', [of('int32', 2)], reduce([0]), /a float operand is needed, got int32/],
          [op, 'C3', [x], { ...reduce([0]), resultDtype: 'float16' }, /cannot be float16 where the operand is float32/],
        ] as const,
    ),
  ]
  test.each(cases)('%s %s %#', (op, constraint, types, attrs, message) => {
    const said = opDef(op).infer(types, attrs, [])
    expect(said).toMatch(new RegExp(`^${constraint}: `))
    expect(said).toMatch(message)
    expect(opDocs[op].constraints.some((c) => c.startsWith(`${constraint}: `))).toBe(true)
  })
  test('every composite is among them', () => {
    expect(new Set(cases.map(([op]) => op))).toEqual(new Set(Object.keys(compositeOps)))
  })
  test.each<[Name, readonly Type[], object, RegExp]>([
    [
      'batchNorm',
      [x, v, v, v, v],
      { epsilon: -1e-3, momentum: 0.9 },
      /"epsilon" of batchNorm must be a number of at least 0, got -0.001/,
    ],
    [
      'batchNorm',
      [x, v, v, v, v],
      { epsilon: 1e-3, momentum: 1.01 },
      /"momentum" of batchNorm must be a number from 0 to 1, got 1.01/,
    ],
    ['batchNormInference', [x, v, v, v, v], { epsilon: Number.NaN }, /"epsilon" of batchNormInference must be/],
    ['batchNormTraining', [x, v, v], { epsilon: '1e-3' }, /"epsilon" of batchNormTraining must be/],
    [
      'dropout',
      [x],
      { rate: 1, per: 'element', stream: 's' },
      /"rate" of dropout must be a number from 0 to below 1, got 1/,
    ],
    [
      'dropout',
      [x],
      { rate: 0.1, per: 'row', stream: 's' },
      /"per" of dropout must be one of "element", "sample", got "row"/,
    ],
    ['softmax', [x], { axis: -1 }, /"axis" of softmax must be an integer of at least 0, got -1/],
  ])('attributes of %s %#', (op, types, attrs, message) => {
    const b = new Builder('test')
    const inputs = types.map((type, i) => b.input(`x${i}`, type))
    expect(() => b.emit(op, inputs, attrs as OpAttrs<typeof op>)).toThrow(
      expect.objectContaining({ code: 'EF102', message: expect.stringMatching(message) }),
    )
  })
})

test('types: x may be half while the vectors stay float32', () => {
  const vector = f32(3)
  expect(opDef('batchNormTraining').infer([f16(2, 3), vector, vector], { epsilon: 0.1 }, [])).toEqual([
    f16(2, 3),
    vector,
    vector,
    vector,
  ])
  expect(opDef('batchNormGradient').infer([f16(2, 3), vector, vector, vector, f16(2, 3)], {}, [])).toEqual([
    f16(2, 3),
    vector,
    vector,
  ])
})
