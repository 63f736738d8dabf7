/** Movement ops: values and gradients by hand, every gradient as the adjoint of its op, and one test for each numbered constraint. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { movementOps } from '../../../src/ir/ops/movement/index.ts'
import type { MovementOps, OpAttrs, OpName } from '../../../src/ir/signatures.ts'
import { dtypes, isFloat, type DType, type Type } from '../../../src/ir/types.ts'
import { movementCases } from '../../../src/testing/cases/movement.ts'
import type { OpCase } from '../../../src/testing/op-case.ts'
import { constraintTests } from './constraint-tests.ts'
import { floats, gradientsOf, inferOp, runOp, tensor, type Operand } from './run-op.ts'

const { NaN: nan } = Number
const inf = Infinity
const of = (dtype: DType, ...shape: readonly number[]): Type => ({ dtype, shape })
const ints = (shape: readonly number[], data: readonly number[]): Operand => tensor(shape, data, 'int32')
/** 1, 2, 3, … */
const counted = (...shape: readonly number[]): Operand =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 1),
  )
const matrix = counted(2, 3) // 1 2 3 / 4 5 6
const cube = counted(2, 2, 2) // 1 2 / 3 4, 5 6 / 7 8

const { constraint, checkTotal } = constraintTests()

describe('reshape, transpose, reverse', () => {
  test('values', () => {
    expect(runOp('reshape', [matrix], { shape: [3, 1, 2] })).toEqual([[1, 2, 3, 4, 5, 6]])
    expect(runOp('transpose', [matrix], { permutation: [1, 0] })).toEqual([[1, 4, 2, 5, 3, 6]])
    expect(runOp('reverse', [matrix], { axes: [0] })).toEqual([[4, 5, 6, 1, 2, 3]])
    expect(runOp('reverse', [matrix], { axes: [1] })).toEqual([[3, 2, 1, 6, 5, 4]])
    expect(runOp('reverse', [matrix], { axes: [0, 1] })).toEqual([[6, 5, 4, 3, 2, 1]])
    expect(runOp('reverse', [matrix], { axes: [] })).toEqual([matrix.data])
  })
  test('result axis i of a transpose is operand axis permutation[i]', () => {
    // A cycle of three, so that the permutation and its inverse differ.
    expect(inferOp('transpose', [floats(2, 3, 5)], { permutation: [1, 2, 0] })).toEqual([floats(3, 5, 2)])
    const x = counted(2, 3, 5)
    const [y = []] = runOp('transpose', [x], { permutation: [1, 2, 0] })
    for (let i = 0; i < 2; i++)
      for (let j = 0; j < 3; j++)
        for (let k = 0; k < 5; k++) expect(y[(j * 5 + k) * 2 + i]).toBe(x.data[(i * 3 + j) * 5 + k])
  })
  test('scalars', () => {
    const scalar = tensor([], [7])
    expect(runOp('reshape', [scalar], { shape: [1, 1] })).toEqual([[7]])
    expect(runOp('transpose', [scalar], { permutation: [] })).toEqual([[7]])
    expect(runOp('reverse', [scalar], { axes: [] })).toEqual([[7]])
  })
  test('gradients apply the inverse', () => {
    const g = tensor([3, 5, 2], counted(3, 5, 2).data)
    const [dx = null] = gradientsOf('transpose', [counted(2, 3, 5)], { permutation: [1, 2, 0] }, [g])
    expect(dx).toEqual(runOp('transpose', [g], { permutation: [2, 0, 1] })[0])
    expect(gradientsOf('reverse', [matrix], { axes: [1] }, [matrix])).toEqual([[3, 2, 1, 6, 5, 4]])
    expect(gradientsOf('reshape', [matrix], { shape: [6] }, [counted(6)])).toEqual([[1, 2, 3, 4, 5, 6]])
  })
  constraint('reshape', 1, () => {
    expect(inferOp('reshape', [floats(2, 3)], { shape: [5] })).toBe('C1: float32[2,3] has 6 elements, [5] has 5')
    expect(inferOp('reshape', [floats()], { shape: [2] })).toBe('C1: float32[] has 1 elements, [2] has 2')
  })
  constraint('transpose', 1, () => {
    for (const permutation of [[0, 0], [0], [0, 2], [0, 1, 2]])
      expect(inferOp('transpose', [floats(2, 3)], { permutation })).toBe(
        `C1: [${permutation.join(',')}] is no permutation of 2 axes`,
      )
  })
  constraint('reverse', 1, () => {
    expect(inferOp('reverse', [floats(2, 3)], { axes: [2] })).toBe('C1: axes [2] of a tensor of rank 2')
    for (const axes of [
      [1, 0],
      [0, 0],
    ])
      expect(inferOp('reverse', [floats(2, 3)], { axes })).toBe(
        `C1: axes must be ascending and distinct, got [${axes.join(',')}]`,
      )
  })
})

describe('broadcast', () => {
  const x = tensor([2, 1], [1, 2])
  test('values: new axes in front, in the middle, at the end; an axis of 1', () => {
    const row = tensor([2], [1, 2])
    expect(runOp('broadcast', [row], { shape: [3, 2], axes: [1] })).toEqual([[1, 2, 1, 2, 1, 2]])
    expect(runOp('broadcast', [row], { shape: [2, 3], axes: [0] })).toEqual([[1, 1, 1, 2, 2, 2]])
    expect(runOp('broadcast', [x], { shape: [2, 3], axes: [0, 1] })).toEqual([[1, 1, 1, 2, 2, 2]])
    expect(runOp('broadcast', [x], { shape: [2, 2, 3], axes: [0, 2] })).toEqual([[1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]])
    expect(runOp('broadcast', [tensor([], [nan])], { shape: [2], axes: [] })).toEqual([[nan, nan]])
  })
  test('gradients are sums over repetitions, in the shape of the operand', () => {
    const gradient = (operand: Operand, shape: readonly number[], axes: readonly number[]) =>
      gradientsOf('broadcast', [operand], { shape, axes }, [counted(...shape)])
    expect(gradient(tensor([2], [0, 0]), [3, 2], [1])).toEqual([[1 + 3 + 5, 2 + 4 + 6]])
    expect(gradient(x, [2, 3], [0, 1])).toEqual([[1 + 2 + 3, 4 + 5 + 6]])
    expect(gradient(x, [2, 2, 3], [0, 2])).toEqual([[21, 57]])
    expect(gradient(tensor([], [0]), [2, 3], [])).toEqual([[21]])
    // An axis of size 1 that is not repeated is not summed over.
    expect(gradient(tensor([1, 2], [0, 0]), [2, 1, 2], [1, 2])).toEqual([[1 + 3, 2 + 4]])
    expect(gradient(tensor([1, 2], [0, 0]), [1, 1, 2], [1, 2])).toEqual([[1, 2]])
  })
  constraint('broadcast', 1, () => {
    expect(inferOp('broadcast', [floats(2, 3)], { shape: [2, 3], axes: [1] })).toBe(
      'C1: 1 axes for an operand of rank 2',
    )
    expect(inferOp('broadcast', [floats(3)], { shape: [2, 3], axes: [2] })).toBe('C1: axes [2] of a tensor of rank 2')
    expect(inferOp('broadcast', [floats(3, 3)], { shape: [3, 3], axes: [1, 0] })).toBe(
      'C1: axes must be ascending and distinct, got [1,0]',
    )
  })
  constraint('broadcast', 2, () => {
    expect(inferOp('broadcast', [floats(3)], { shape: [3, 2], axes: [1] })).toBe(
      'C2: operand size 3 does not repeat to 2 (axis 1)',
    )
    expect(inferOp('broadcast', [floats(2)], { shape: [1], axes: [0] })).toBe(
      'C2: operand size 2 does not repeat to 1 (axis 0)',
    )
    expect(inferOp('broadcast', [floats(1, 3)], { shape: [4, 5, 3], axes: [1, 2] })).toEqual([floats(4, 5, 3)])
  })
})

describe('slice and pad', () => {
  const line = counted(7)
  const cut = (start: number, limit: number, stride: number) => ({
    starts: [start],
    limits: [limit],
    strides: [stride],
  })
  const fill = (low: number, high: number, interior = 0, value = 0) => ({
    low: [low],
    high: [high],
    interior: [interior],
    value,
  })
  test('slice: values', () => {
    expect(runOp('slice', [line], cut(1, 6, 2))).toEqual([[2, 4, 6]])
    expect(runOp('slice', [line], cut(1, 5, 2))).toEqual([[2, 4]])
    expect(runOp('slice', [line], cut(0, 7, 9))).toEqual([[1]])
    expect(runOp('slice', [matrix], { starts: [0, 1], limits: [2, 3], strides: [1, 1] })).toEqual([[2, 3, 5, 6]])
    expect(inferOp('slice', [floats(7, 9)], { starts: [1, 0], limits: [7, 9], strides: [4, 3] })).toEqual([
      floats(2, 3),
    ])
  })
  test('slice: gradients are 0 at elements that were not selected, also after the last stride', () => {
    expect(gradientsOf('slice', [line], cut(1, 5, 3), [tensor([2], [10, 20])])).toEqual([[0, 10, 0, 0, 20, 0, 0]])
    expect(
      gradientsOf('slice', [matrix], { starts: [1, 0], limits: [2, 3], strides: [1, 2] }, [tensor([1, 2], [10, 20])]),
    ).toEqual([[0, 0, 0, 10, 0, 20]])
  })
  test('pad: values', () => {
    const two = tensor([2], [1, 2])
    expect(runOp('pad', [two], fill(1, 2))).toEqual([[0, 1, 2, 0, 0]])
    expect(runOp('pad', [two], fill(1, 0, 2, -inf))).toEqual([[-inf, 1, -inf, -inf, 2]])
    expect(runOp('pad', [tensor([1], [5])], fill(0, 0, 3, 9))).toEqual([[5]])
    expect(runOp('pad', [counted(2, 2)], { low: [1, 0], high: [0, 1], interior: [0, 1], value: 7 })).toEqual([
      [7, 7, 7, 7, 1, 7, 2, 7, 3, 7, 4, 7],
    ])
    expect(runOp('pad', [tensor([1], [0.5], 'float16')], fill(1, 0, 0, 0.1), 'declared')).toEqual([
      [0.0999755859375, 0.5],
    ])
    expect(runOp('pad', [tensor([], [3])], { low: [], high: [], interior: [], value: 1 })).toEqual([[3]])
  })
  test('pad: gradients omit the padding', () => {
    expect(gradientsOf('pad', [tensor([3], [0, 0, 0])], fill(1, 2, 1), [counted(8)])).toEqual([[2, 4, 6]])
    expect(
      gradientsOf('pad', [matrix], { low: [0, 1], high: [1, 0], interior: [1, 0], value: 7 }, [counted(4, 4)]),
    ).toEqual([[2, 3, 4, 10, 11, 12]])
  })
  constraint('slice', 1, () =>
    expect(inferOp('slice', [floats(2, 3)], { starts: [0], limits: [2, 3], strides: [1] })).toBe(
      'C1: 1 starts, 2 limits, 1 strides for rank 2',
    ),
  )
  constraint('slice', 2, () => {
    expect(inferOp('slice', [floats(2, 3)], { starts: [0, 2], limits: [2, 2], strides: [1, 1] })).toBe(
      'C2: from 2 to 2 on axis 1 of size 3',
    )
    expect(inferOp('slice', [floats(7)], cut(0, 8, 1))).toBe('C2: from 0 to 8 on axis 0 of size 7')
    expect(inferOp('slice', [floats(7)], cut(6, 7, 1))).toEqual([floats(1)])
  })
  constraint('pad', 1, () =>
    expect(inferOp('pad', [floats(2, 3)], { low: [1], high: [0, 0], interior: [0, 0], value: 0 })).toBe(
      'C1: 1 low, 2 high, 2 interior for rank 2',
    ),
  )
  constraint('pad', 2, () => {
    for (const value of [0.5, nan, inf, 2 ** 31])
      expect(inferOp('pad', [of('int32', 2)], fill(1, 0, 0, value))).toBe(`C2: int32 cannot hold ${value}`)
    for (const value of [2, -1, 0.5])
      expect(inferOp('pad', [of('bool', 2)], fill(1, 0, 0, value))).toBe(`C2: bool cannot hold ${value}`)
    expect(inferOp('pad', [of('int32', 2)], fill(1, 0, 0, -(2 ** 31)))).toEqual([of('int32', 3)])
    expect(inferOp('pad', [of('bool', 2)], fill(1, 0, 0, 1))).toEqual([of('bool', 3)])
    expect(inferOp('pad', [floats(2)], fill(1, 0, 0, nan))).toEqual([floats(3)])
  })
})

describe('concatenate', () => {
  test('values along the first, a middle and the last axis', () => {
    const more = tensor([1, 3], [7, 8, 9])
    expect(runOp('concatenate', [matrix, more], { axis: 0 })).toEqual([[1, 2, 3, 4, 5, 6, 7, 8, 9]])
    expect(runOp('concatenate', [matrix, tensor([2, 1], [-1, -2])], { axis: 1 })).toEqual([[1, 2, 3, -1, 4, 5, 6, -2]])
    expect(runOp('concatenate', [cube, tensor([2, 1, 2], [-1, -2, -3, -4])], { axis: 1 })).toEqual([
      [1, 2, 3, 4, -1, -2, 5, 6, 7, 8, -3, -4],
    ])
    expect(runOp('concatenate', [matrix], { axis: 1 })).toEqual([matrix.data])
    expect(inferOp('concatenate', [floats(2, 3), floats(2, 1), floats(2, 5)], { axis: 1 })).toEqual([floats(2, 9)])
  })
  test('each operand gets its part of the gradient; a repeated operand gets both parts', () => {
    const column = tensor([2, 1], [0, 0])
    expect(gradientsOf('concatenate', [column, matrix, column], { axis: 1 }, [counted(2, 5)])).toEqual([
      [1, 6],
      [2, 3, 4, 7, 8, 9],
      [5, 10],
    ])
  })
  constraint('concatenate', 1, () => expect(inferOp('concatenate', [], { axis: 0 })).toBe('C1: nothing to concatenate'))
  constraint('concatenate', 2, () => {
    expect(inferOp('concatenate', [floats(2), floats(2)], { axis: 1 })).toBe('C2: axis 1 of a tensor of rank 1')
    expect(inferOp('concatenate', [floats(), floats()], { axis: 0 })).toBe('C2: axis 0 of a tensor of rank 0')
  })
  constraint('concatenate', 3, () => {
    for (const [odd, text] of [
      [of('int32', 2, 3), 'int32[2,3]'],
      [floats(2, 4), 'float32[2,4]'],
      [floats(2), 'float32[2]'],
    ] as const)
      expect(inferOp('concatenate', [floats(2, 3), floats(5, 3), odd], { axis: 0 })).toBe(
        `C3: float32[2,3] and ${text} along axis 0`,
      )
  })
})

describe('gather and oneHot', () => {
  const x = counted(3, 2) // 1 2 / 3 4 / 5 6
  test('gather: values and shapes for indices of any rank', () => {
    expect(runOp('gather', [x, ints([4], [2, 0, 0, 1])], { axis: 0 })).toEqual([[5, 6, 1, 2, 1, 2, 3, 4]])
    expect(runOp('gather', [x, ints([], [1])], { axis: 0 })).toEqual([[3, 4]])
    expect(runOp('gather', [x, ints([2], [1, 0])], { axis: 1 })).toEqual([[2, 1, 4, 3, 6, 5]])
    expect(runOp('gather', [cube, ints([1, 2], [1, 0])], { axis: 1 })).toEqual([[3, 4, 1, 2, 7, 8, 5, 6]])
    expect(inferOp('gather', [floats(2, 7, 5), of('int32', 3, 4)], { axis: 1 })).toEqual([floats(2, 3, 4, 5)])
    expect(inferOp('gather', [of('bool', 7), of('int32')], { axis: 0 })).toEqual([of('bool')])
    expect(runOp('gather', [tensor([2], [nan, -0]), ints([2], [1, 0])], { axis: 0 })).toEqual([[-0, nan]])
  })
  test('gather: gradients of equal indices add up; the indices get none', () => {
    const g = tensor([4, 2], [1, 2, 10, 20, 100, 200, 1000, 2000])
    expect(gradientsOf('gather', [x, ints([4], [2, 0, 2, 2])], { axis: 0 }, [g])).toEqual([
      [10, 20, 0, 0, 1101, 2202],
      null,
    ])
    expect(gradientsOf('gather', [x, ints([], [1])], { axis: 0 }, [tensor([2], [7, 8])])).toEqual([
      [0, 0, 7, 8, 0, 0],
      null,
    ])
    expect(gradientsOf('gather', [x, ints([1, 2], [1, 1])], { axis: 1 }, [counted(3, 1, 2)])).toEqual([
      [0, 1 + 2, 0, 3 + 4, 0, 5 + 6],
      null,
    ])
    expect(gradientsOf('gather', [ints([2], [1, 2]), ints([1], [0])], { axis: 0 }, [ints([1], [1])])).toEqual([
      null,
      null,
    ])
  })
  constraint('gather', 1, () =>
    expect(inferOp('gather', [floats(3, 2), of('int32', 4)], { axis: 2 })).toBe('C1: axis 2 of a tensor of rank 2'),
  )
  constraint('gather', 2, () =>
    expect(inferOp('gather', [floats(3, 2), floats(4)], { axis: 0 })).toBe('C2: indices must be int32, got float32'),
  )
  constraint('gather', 3, () => {
    const outside = ints([4], [-1, 3, -(2 ** 31), 2 ** 31 - 1])
    expect(runOp('gather', [x, outside], { axis: 0 })).toEqual([[1, 2, 5, 6, 1, 2, 5, 6]])
    const g = tensor([4, 2], [1, 2, 10, 20, 100, 200, 1000, 2000])
    expect(gradientsOf('gather', [x, outside], { axis: 0 }, [g])).toEqual([[101, 202, 0, 0, 1010, 2020], null])
  })

  test('oneHot: values and types', () => {
    const hot = (indices: Operand, depth: number, dtype: DType) => runOp('oneHot', [indices], { depth, dtype })
    for (const dtype of dtypes) expect(hot(ints([2], [1, 0]), 3, dtype)).toEqual([[0, 1, 0, 1, 0, 0]])
    expect(hot(ints([], [1]), 2, 'float32')).toEqual([[0, 1]])
    expect(inferOp('oneHot', [of('int32', 4, 5)], { depth: 3, dtype: 'float16' })).toEqual([of('float16', 4, 5, 3)])
  })
  constraint('oneHot', 1, () => {
    expect(inferOp('oneHot', [floats(2)], { depth: 3, dtype: 'float32' })).toBe(
      'C1: indices must be int32, got float32',
    )
    expect(inferOp('oneHot', [of('bool', 2)], { depth: 3, dtype: 'float32' })).toBe(
      'C1: indices must be int32, got bool',
    )
  })
  constraint('oneHot', 2, () =>
    expect(runOp('oneHot', [ints([4], [3, -1, 2, 2 ** 31 - 1])], { depth: 3, dtype: 'float32' })).toEqual([
      [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
    ]),
  )
})

describe('laws', () => {
  type Name = keyof MovementOps
  /** Small integers from a seed: sums of products are exact. */
  const whole = (length: number, seed: number) => Array.from({ length }, (_, i) => ((i * 7 + seed * 13) % 19) - 9)
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, i) => sum + v * (b[i] ?? nan), 0)
  const seen = (op: Name, operands: readonly Operand[], attrs: OpAttrs<Name>) =>
    runOp<Name>(op, operands, attrs)[0] ?? []

  // Ops that move elements are affine, f(x) = Ax + c, and their gradient is the adjoint: <g, Ax> = <A'g, x>, exactly.
  const differentiable = Object.entries(movementCases).filter(([op]) => op !== 'oneHot')
  test.each(differentiable)('%s: the gradient is the adjoint', (_op, cases) => {
    fc.assert(
      fc.property(cases, fc.nat(1000), (c: OpCase, seed) => {
        fc.pre(c.inputs.some(({ type }) => isFloat(type.dtype)))
        const { attrs, op } = c as OpCase<Name> // an op of the table of movement ops
        const filled = (numbers: (length: number, operand: number) => readonly number[]): Operand[] =>
          c.inputs.map(({ type, data }, i) =>
            tensor(type.shape, isFloat(type.dtype) ? numbers(data.length, i) : data, type.dtype),
          )
        const x = filled((length, i) => whole(length, seed + i))
        const types = inferOp<Name>(
          op,
          c.inputs.map(({ type }) => type),
          attrs,
        )
        if (typeof types === 'string' || types[0] === undefined) throw new Error(String(types))
        const zero = seen(
          op,
          filled((length) => whole(length, 0).map(() => 0)),
          attrs,
        )
        const moved = seen(op, x, attrs).map((v, i) => v - (zero[i] ?? nan))
        const g = tensor(types[0].shape, whole(moved.length, seed + 5), types[0].dtype)
        const back = gradientsOf<Name>(op, x, attrs, [g])
        const total = back.reduce((sum, dx, i) => (dx === null ? sum : sum + dot(dx, x[i]?.data ?? [])), 0)
        expect(total).toBe(dot(g.data, moved))
      }),
      { numRuns: 50 },
    )
  })
  test('a slice inverts a pad', () => {
    fc.assert(
      fc.property(fc.nat(3), fc.nat(3), fc.nat(3), fc.integer({ min: 1, max: 5 }), (low, high, gap, size) => {
        const x = counted(size)
        const [padded = []] = runOp('pad', [x], { low: [low], high: [high], interior: [gap], value: nan })
        expect(padded.filter(Number.isNaN).length).toBe(low + high + gap * (size - 1))
        const attrs = { starts: [low], limits: [padded.length - high], strides: [gap + 1] }
        expect(runOp('slice', [tensor([padded.length], padded)], attrs)).toEqual([x.data])
      }),
    )
  })
  test.each(dtypes)('%s elements keep their bits', (dtype) => {
    const data = isFloat(dtype)
      ? [nan, -0, inf, 0.5]
      : dtype === 'int32'
        ? [-(2 ** 31), 0, 7, 2 ** 31 - 1]
        : [0, 1, 1, 0]
    const x = tensor([4], data, dtype)
    const [a, b, c, d] = data
    const run = <K extends Name>(op: K, operands: readonly Operand[], attrs: OpAttrs<K>) =>
      runOp(op, operands, attrs, 'declared')[0]
    expect(run('reshape', [x], { shape: [2, 2] })).toEqual([a, b, c, d])
    expect(run('reverse', [x], { axes: [0] })).toEqual([d, c, b, a])
    expect(run('slice', [x], { starts: [0], limits: [4], strides: [3] })).toEqual([a, d])
    expect(run('concatenate', [x, x], { axis: 0 })).toEqual([a, b, c, d, a, b, c, d])
    expect(run('gather', [x, ints([2], [3, 1])], { axis: 0 })).toEqual([d, b])
    expect(run('broadcast', [x], { shape: [4, 2], axes: [0] })).toEqual([a, a, b, b, c, c, d, d])
    expect(run('transpose', [tensor([2, 2], data, dtype)], { permutation: [1, 0] })).toEqual([a, c, b, d])
    expect(run('pad', [x], { low: [0], high: [1], interior: [0], value: 1 })).toEqual([a, b, c, d, 1])
  })
})

checkTotal(Object.keys(movementOps) as OpName[]) // its keys are the ops
