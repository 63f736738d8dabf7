/** Reductions: values by hand, NaN and ties, gradients at singular points, and one test for each numbered constraint. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Builder } from '../../../src/ir/build.ts'
import { interpret } from '../../../src/ir/interpret.ts'
import type { DType, Type } from '../../../src/ir/types.ts'
import type { Scalar, Value } from '../../../src/ir/value.ts'
import { gradients } from '../../../src/passes/autodiff/gradients.ts'
import { floats, gradientsOf, inferOp, isNear, runOp, tensor } from './run-op.ts'

const { NaN: nan } = Number
const rows = tensor([2, 3], [1, 5, 3, -2, 4, -6])
const over = (...axes: readonly number[]) => ({ axes, keepDims: false })
const wide = (...axes: readonly number[]) => ({ axes, keepDims: false, resultDtype: null })
const scalar = (value: number) => tensor([], [value])

describe('values', () => {
  test('over rows, columns, both, none', () => {
    expect(runOp('reduceSum', [rows], wide(1))).toEqual([[9, -4]])
    expect(runOp('reduceSum', [rows], wide(0))).toEqual([[-1, 9, -3]])
    expect(runOp('reduceSum', [rows], wide(0, 1))).toEqual([[5]])
    expect(runOp('reduceSum', [rows], wide())).toEqual([rows.data])
    expect(runOp('reduceMax', [rows], over(1))).toEqual([[5, 4]])
    expect(runOp('reduceMin', [rows], over(0))).toEqual([[-2, 4, -6]])
    expect(runOp('reduceProd', [rows], over(1))).toEqual([[15, 48]])
  })
  test('first and last axis of three', () => {
    const x = tensor(
      [2, 2, 3],
      Array.from({ length: 12 }, (_, i) => i),
    )
    // [[0 1 2] [3 4 5]], [[6 7 8] [9 10 11]]
    expect(runOp('reduceSum', [x], wide(0, 2))).toEqual([[0 + 1 + 2 + 6 + 7 + 8, 3 + 4 + 5 + 9 + 10 + 11]])
    expect(runOp('reduceMax', [x], over(1))).toEqual([[3, 4, 5, 9, 10, 11]])
  })
  test('keepDims leaves axes of 1', () => {
    expect(inferOp('reduceSum', [floats(2, 3, 4)], { axes: [0, 2], keepDims: true, resultDtype: null })).toEqual([
      floats(1, 3, 1),
    ])
    expect(inferOp('reduceMax', [floats(2, 3, 4)], over(0, 2))).toEqual([floats(3)])
  })
  test('reduceAll and reduceAny', () => {
    const x = tensor([3, 2], [1, 1, 0, 1, 0, 0], 'bool')
    expect(runOp('reduceAll', [x], over(1))).toEqual([[1, 0, 0]])
    expect(runOp('reduceAny', [x], over(1))).toEqual([[1, 1, 0]])
    expect(runOp('reduceAll', [x], over(0, 1))).toEqual([[0]])
    expect(runOp('reduceAny', [x], over())).toEqual([x.data])
  })
  test('argMax on each axis', () => {
    expect(runOp('argMax', [rows], { axis: 1 })).toEqual([[1, 1]])
    expect(runOp('argMax', [rows], { axis: 0 })).toEqual([[0, 0, 0]])
    expect(inferOp('argMax', [floats(2, 3)], { axis: 0 })).toEqual([{ dtype: 'int32', shape: [3] }])
  })
  test('topK: descending, with indices', () => {
    expect(runOp('topK', [rows], { k: 2 })).toEqual([
      [5, 3, 4, -2],
      [1, 2, 1, 0],
    ])
    expect(inferOp('topK', [{ dtype: 'float16', shape: [2, 3] }], { k: 2 })).toEqual([
      { dtype: 'float16', shape: [2, 2] },
      { dtype: 'int32', shape: [2, 2] },
    ])
  })
  test('topK of all sorts, stably', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 12 }), (data) => {
        const [values, indices] = runOp('topK', [tensor([data.length], data)], { k: data.length })
        const want = data.map((v, i) => [v, i] as const).sort(([a, i], [b, j]) => b - a || i - j)
        expect(values).toEqual(want.map(([v]) => v))
        expect(indices).toEqual(want.map(([, i]) => i))
        expect(runOp('argMax', [tensor([data.length], data)], { axis: 0 })).toEqual([[indices?.[0]]])
      }),
    )
  })
})

const reductions = ['reduceSum', 'reduceMax', 'reduceMin', 'reduceProd', 'reduceAll', 'reduceAny'] as const
const numeric = ['reduceSum', 'reduceMax', 'reduceMin', 'reduceProd'] as const
const ofBool: Type = { dtype: 'bool', shape: [2, 3] }
const reduceTypes = (op: (typeof reductions)[number], x: Type, axes: readonly number[]) =>
  op === 'reduceSum' ? inferOp(op, [x], wide(...axes)) : inferOp(op, [x], over(...axes))

describe('constraints of types', () => {
  test.each(reductions)('%s C1: ascending axes that exist', (op) => {
    const x = op === 'reduceAll' || op === 'reduceAny' ? ofBool : floats(2, 3)
    for (const axes of [[2], [1, 0], [1, 1]]) expect(reduceTypes(op, x, axes)).toMatch(/^C1: /)
    expect(reduceTypes(op, x, [0, 1])).toEqual([{ dtype: x.dtype, shape: [] }])
  })
  test.each(numeric)('%s C2: a numeric operand', (op) => expect(reduceTypes(op, ofBool, [0])).toMatch(/^C2: /))
  test.each(['reduceAll', 'reduceAny'] as const)('%s C2: a bool operand', (op) =>
    expect(reduceTypes(op, floats(2), [0])).toMatch(/^C2: /),
  )
  test('reduceSum C3: resultDtype is not narrower', () => {
    const types = (from: DType, resultDtype: 'float32' | 'float16' | 'bfloat16') =>
      inferOp('reduceSum', [{ dtype: from, shape: [2] }], { axes: [0], keepDims: false, resultDtype })
    expect(types('float16', 'float32')).toEqual([floats()])
    expect(types('float16', 'float16')).toEqual([{ dtype: 'float16', shape: [] }])
    expect(types('float32', 'float16')).toMatch(/^C3: .*float16.*float32/)
    expect(types('float16', 'bfloat16')).toMatch(/^C3: /)
    expect(types('int32', 'float32')).toMatch(/^C3: /)
  })
  test('argMax C1: the axis exists', () => expect(inferOp('argMax', [floats(2)], { axis: 1 })).toMatch(/^C1: /))
  test('argMax C2: a numeric operand', () => expect(inferOp('argMax', [ofBool], { axis: 0 })).toMatch(/^C2: /))
  test('topK C1: a numeric operand of rank 1 or more', () => {
    expect(inferOp('topK', [floats()], { k: 1 })).toMatch(/^C1: /)
    expect(inferOp('topK', [ofBool], { k: 1 })).toMatch(/^C1: /)
  })
  test('topK C2: k is not more than the last size', () => {
    expect(inferOp('topK', [floats(9, 3)], { k: 4 })).toMatch(/^C2: /)
    expect(inferOp('topK', [floats(1, 3)], { k: 3 })).toEqual([floats(1, 3), { dtype: 'int32', shape: [1, 3] }])
  })
})

describe('constraints of values', () => {
  test('reduceSum C4: half operands are summed wide, int32 wraps around', () => {
    // In float16 2048 + 1 = 2048. The exact sum is 2051, which is rounded once, to the even neighbor.
    const half = tensor([4], [2048, 1, 1, 1], 'float16')
    expect(runOp('reduceSum', [half], wide(0), 'declared')).toEqual([[2052]])
    expect(runOp('reduceSum', [half], { ...wide(0), resultDtype: 'float32' }, 'declared')).toEqual([[2051]])
    expect(runOp('reduceSum', [tensor([2], [2 ** 31 - 1, 1], 'int32')], wide(0))).toEqual([[-(2 ** 31)]])
  })
  test('reduceProd C3: int32 wraps around', () => {
    expect(runOp('reduceProd', [tensor([3], [65536, 65537, 3], 'int32')], over(0))).toEqual([[196608]])
    // Beyond 2^53, where float64 would lose the low bits.
    expect(runOp('reduceProd', [tensor([3], [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1], 'int32')], over(0))).toEqual([
      [2 ** 31 - 1],
    ])
  })
  test.each(['reduceMax', 'reduceMin'] as const)('%s C3: NaN if an element is NaN', (op) => {
    expect(runOp(op, [tensor([3, 2], [1, nan, nan, 1, 7, 7])], over(1))).toEqual([[nan, nan, 7]])
  })
  test('reduceMax and reduceMin of infinities and of the ends of int32', () => {
    expect(runOp('reduceMax', [tensor([2], [-Infinity, -Infinity])], over(0))).toEqual([[-Infinity]])
    expect(runOp('reduceMin', [tensor([2], [Infinity, Infinity])], over(0))).toEqual([[Infinity]])
    expect(runOp('reduceMax', [tensor([1], [-(2 ** 31)], 'int32')], over(0))).toEqual([[-(2 ** 31)]])
    expect(runOp('reduceMin', [tensor([1], [2 ** 31 - 1], 'int32')], over(0))).toEqual([[2 ** 31 - 1]])
  })
  test('argMax C3: of equal elements the lowest index', () =>
    expect(runOp('argMax', [tensor([2, 3], [1, 4, 4, 0, -0, 0])], { axis: 1 })).toEqual([[1, 0]]))
  test('argMax C4: NaN counts as larger than everything', () =>
    expect(runOp('argMax', [tensor([2, 3], [Infinity, nan, nan, nan, 1, 2])], { axis: 1 })).toEqual([[1, 0]]))
  test('topK C3: of equal elements the lowest index first', () =>
    expect(runOp('topK', [tensor([5], [2, 7, 2, 7, 2])], { k: 4 })).toEqual([
      [7, 7, 2, 2],
      [1, 3, 0, 2],
    ]))
  test('topK C4: NaN counts as larger than everything', () =>
    expect(runOp('topK', [tensor([5], [2, nan, Infinity, nan, -Infinity])], { k: 5 })).toEqual([
      [nan, nan, Infinity, 2, -Infinity],
      [1, 3, 2, 0, 4],
    ]))
})

describe('gradients', () => {
  test.each(['reduceMax', 'reduceMin'] as const)(
    '%s C4: equal elements share evenly; NaN where the result is',
    (op) => {
      const sign = op === 'reduceMax' ? 1 : -1
      const x = tensor(
        [3, 3],
        [4, 1, 4, 2, 2, 2, 1, nan, 3].map((v) => sign * v),
      )
      const [dx] = gradientsOf(op, [x], over(1), [tensor([3], [6, 9, 5])])
      expect(dx).toEqual([3, 0, 3, 3, 3, 3, nan, nan, nan])
    },
  )
  const products = (data: readonly number[]) =>
    gradientsOf('reduceProd', [tensor([data.length], data)], over(0), [scalar(1)])[0]
  test('reduceProd C4: none, one and two zeros; no overflow or NaN unless the product of the others has it', () => {
    expect(products([2, 5, 3])).toEqual([15, 6, 10])
    expect(products([2, 0, 3])).toEqual([0, 6, 0])
    expect(products([0, 4, 0])).toEqual([0, 0, 0])
    expect(products([7])).toEqual([1])
    expect(products([Infinity, 2, 3])).toEqual([6, Infinity, Infinity])
    expect(products([nan, 2, 3])).toEqual([6, nan, nan])
    expect(isNear(products([1e200, 1e200, 1e-200]) ?? [], [1, 1, Infinity])).toBe(true)
    expect(isNear(products([1e-200, 1e-200, 1e200]) ?? [], [1, 1, 0])).toBe(true)
  })
  test('reduceProd C4: any axes, against the product of the others by definition', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }).chain((shape) =>
          fc.record({
            shape: fc.constant(shape),
            axes: fc.subarray(shape.map((_, i) => i)),
            data: fc.array(fc.integer({ min: -2, max: 2 }), {
              minLength: shape.reduce((a, b) => a * b, 1),
              maxLength: shape.reduce((a, b) => a * b, 1),
            }),
          }),
        ),
        ({ shape, axes, data }) => {
          const indexOf = (flat: number): number[] => {
            const index: number[] = []
            for (const size of [...shape].reverse()) {
              index.unshift(flat % size)
              flat = Math.floor(flat / size)
            }
            return index
          }
          const slice = (flat: number): string =>
            indexOf(flat)
              .map((i, axis) => (axes.includes(axis) ? '*' : i))
              .join()
          const want = data.map((_, i) =>
            data.reduce((product, v, j) => (j !== i && slice(j) === slice(i) ? product * v : product), 1),
          )
          const reduced = shape.filter((_, axis) => !axes.includes(axis))
          const ones = tensor(
            reduced,
            reduced.reduce<number[]>((list, size) => Array.from({ length: size }, () => list).flat(), [1]),
          )
          const [got] = gradientsOf('reduceProd', [tensor(shape, data)], over(...axes), [ones])
          expect(got?.map((v) => v + 0)).toEqual(want.map((v) => v + 0)) // -0 equals 0 here
        },
      ),
    )
  })
  test('reduceProd C4: second derivatives are the products of all but two, at zeros too', () => {
    const hessian = (data: readonly number[]) =>
      data.map((_, row) => {
        const b = new Builder('hessian')
        const x = b.input('x', floats(data.length)) as Value<'float32', 1>
        const [first] = gradients(b.emit1('reduceProd', [x], over(0)) as Scalar, [x])
        const [second] = gradients(b.reshape(b.slice(first, [row], [row + 1]), []) as Scalar, [x])
        const g = b.finish({ second })
        return [...(interpret(g, { inputs: { x: data }, mode: 'float64' }).outputs['second']?.data ?? [])].map(
          (v) => v + 0,
        )
      })
    for (const data of [
      [2, 5, 3],
      [2, 0, 3],
      [0, 4, 0],
      [0, 0, 0, 7],
    ])
      expect(hessian(data)).toEqual(
        data.map((_, i) =>
          data.map((_, j) => (i === j ? 0 : data.reduce((p, v, k) => (k === i || k === j ? p : p * v), 1))),
        ),
      )
  })
  test('reduceSum repeats the gradient, keepDims or not', () => {
    const g = tensor([2], [10, 20])
    expect(gradientsOf('reduceSum', [rows], wide(1), [g])).toEqual([[10, 10, 10, 20, 20, 20]])
    expect(gradientsOf('reduceSum', [rows], { ...wide(1), keepDims: true }, [tensor([2, 1], [10, 20])])).toEqual([
      [10, 10, 10, 20, 20, 20],
    ])
  })
  test('topK passes the gradient of values to their source elements; without a gradient there is none', () => {
    const x = tensor([2, 4], [1, 8, 3, 8, nan, 5, 6, 0])
    const g = tensor([2, 2], [10, 20, 30, 40])
    expect(gradientsOf('topK', [x], { k: 2 }, [g, null])).toEqual([[0, 10, 0, 20, 30, 0, 40, 0]])
    expect(gradientsOf('topK', [x], { k: 2 }, [null, null])).toEqual([null])
  })
})
