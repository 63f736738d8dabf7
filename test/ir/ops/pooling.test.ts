/** Pooling: values by hand and by definition, gradients of first and second order, and one test for each numbered constraint. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Padding, WindowAttrs } from '../../../src/ir/signatures.ts'
import type { Type } from '../../../src/ir/types.ts'
import { poolingCases } from '../../../src/testing/cases/pooling.ts'
import { floats, gradientsOf, inferOp, isNear, runOp, tensor, type Operand } from './run-op.ts'

const { NaN: nan } = Number
const image = tensor(
  [1, 4, 4, 1],
  Array.from({ length: 16 }, (_, i) => i + 1),
)
const attrs = (window: number, strides: number, padding: Padding = 'same'): WindowAttrs => ({
  window: [window, window],
  strides: [strides, strides],
  padding,
})
const corner: Padding = [
  [1, 0],
  [1, 0],
]

describe('values by hand: a 4x4 image', () => {
  test("maximum: padding 'same' (at the end), 'valid' and explicit", () => {
    expect(runOp('maxPool2d', [image], attrs(3, 2))).toEqual([[11, 12, 15, 16]])
    expect(runOp('maxPool2d', [image], attrs(3, 1, 'valid'))).toEqual([[11, 12, 15, 16]])
    expect(runOp('maxPool2d', [image], attrs(2, 2, corner))).toEqual([[1, 3, 9, 11]])
  })
  test('mean', () => {
    expect(runOp('avgPool2d', [image], attrs(2, 2))).toEqual([[3.5, 5.5, 11.5, 13.5]])
    expect(runOp('avgPool2d', [image], attrs(4, 4))).toEqual([[8.5]])
    expect(runOp('avgPool2d', [image], attrs(3, 2))).toEqual([[6, 7.5, 12, 13.5]])
  })
  test('height first, channels apart', () => {
    const x = tensor([1, 2, 2, 2], [1, 80, 2, 70, 3, 60, 4, 50])
    const tall: WindowAttrs = { window: [2, 1], strides: [1, 1], padding: 'valid' }
    expect(runOp('maxPool2d', [x], tall)).toEqual([[3, 80, 4, 70]])
    expect(runOp('avgPool2d', [x], tall)).toEqual([[2, 70, 3, 60]])
  })
  test('the gradient goes to the maximum, and adds up if windows share it', () => {
    const peak = tensor([1, 3, 3, 1], [1, 2, 3, 4, 9, 5, 6, 7, 8])
    const dy = tensor([1, 2, 2, 1], [1, 10, 100, 1000])
    const want = [[0, 0, 0, 0, 1111, 0, 0, 0, 0]]
    expect(runOp('maxPool2dGradient', [peak, dy], attrs(2, 1, 'valid'))).toEqual(want)
    expect(gradientsOf('maxPool2d', [peak], attrs(2, 1, 'valid'), [dy])).toEqual(want)
  })
  test('gradient of the mean divides by the pixels that were counted', () => {
    const dy = tensor([1, 2, 2, 1], [9, 6, 6, 4])
    const want = [[1, 1, 2, 1, 1, 1, 2, 1, 2, 2, 4, 2, 1, 1, 2, 1]]
    expect(runOp('avgPool2dGradient', [dy], { ...attrs(3, 2), inputShape: [1, 4, 4, 1] })).toEqual(want)
    expect(gradientsOf('avgPool2d', [image], attrs(3, 2), [dy])).toEqual(want)
  })
})

/** The positions of the image in each window, in row-major order, found by testing every position of the image; for [H, W]. */
const windowsByDefinition = (
  [, height = 0, width = 0]: readonly number[],
  a: WindowAttrs,
  y: readonly number[],
): number[][] => {
  const before = (axis: 0 | 1, size: number): number => {
    if (a.padding === 'valid') return 0
    if (a.padding !== 'same') return a.padding[axis][0]
    return Math.floor(
      Math.max(0, (Math.ceil(size / a.strides[axis]) - 1) * a.strides[axis] + a.window[axis] - size) / 2,
    )
  }
  const starts = (axis: 0 | 1, outputs: number, size: number): number[] =>
    Array.from({ length: outputs }, (_, i) => i * a.strides[axis] - before(axis, size))
  return starts(0, y[1] ?? 0, height).flatMap((top) =>
    starts(1, y[2] ?? 0, width).map((left) =>
      Array.from({ length: height * width }, (_, at) => at).filter((at) => {
        const [row, column] = [Math.floor(at / width), at % width]
        return row >= top && row < top + a.window[0] && column >= left && column < left + a.window[1]
      }),
    ),
  )
}
/** The elements of one sample and channel. */
const plane = (x: Operand, sample: number, channel: number): number[] => {
  const [, h = 0, w = 0, c = 0] = x.shape
  return Array.from({ length: h * w }, (_, at) => x.data[(sample * h * w + at) * c + channel] as number)
}
/** The first position of the maximum; NaN is larger than all numbers. */
const winner = (places: readonly number[], values: readonly number[]): number => {
  const isNanAt = places.find((at) => Number.isNaN(values[at]))
  return (
    isNanAt ??
    (places.find((at) => places.every((other) => (values[at] as number) >= (values[other] as number))) as number)
  )
}

describe('against the definition', () => {
  // Few values, so that most windows have ties, with NaN and infinities.
  const wild = fc.constantFrom(-1, 0, 0, 1, 1, nan, Infinity, -Infinity)
  const cases = poolingCases.maxPool2d.chain((c) => {
    const { shape } = (c.inputs[0] ?? { type: floats() }).type
    const size = shape.reduce((a, b) => a * b, 1)
    return fc.record({
      window: fc.constant(c.attrs),
      x: fc
        .oneof(
          { weight: 3, arbitrary: fc.constant(c.inputs[0]?.data ?? []) },
          fc.array(wild, { minLength: size, maxLength: size }),
        )
        .map((data) => tensor(shape, data)),
    })
  })
  const resultShape = (x: Operand, window: WindowAttrs): readonly number[] =>
    ((inferOp('maxPool2d', [floats(...x.shape)], window) as Type[])[0] as Type).shape
  const integers = (shape: readonly number[], step: number): Operand =>
    tensor(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * step) % 13) - 6),
    )

  test('maximum, its gradient, and the gradient of that', () => {
    fc.assert(
      fc.property(cases, ({ x, window }) => {
        const y = resultShape(x, window)
        const [dy, g] = [integers(y, 5), integers(x.shape, 7)]
        const [values = []] = runOp('maxPool2d', [x], window)
        const [dx = []] = runOp('maxPool2dGradient', [x, dy], window)
        const [none, picked] = gradientsOf('maxPool2dGradient', [x, dy], window, [g])
        expect(none).toBeNull()
        const windows = windowsByDefinition(x.shape, window, y)
        for (let sample = 0; sample < (x.shape[0] ?? 0); sample++)
          for (let channel = 0; channel < (x.shape[3] ?? 0); channel++) {
            const [of, grads] = [plane(x, sample, channel), plane(dy, sample, channel)]
            const winners = windows.map((places) => winner(places, of))
            expect(plane(tensor(y, values), sample, channel)).toEqual(winners.map((at) => of[at]))
            const sums = of.map((_, at) =>
              winners.reduce((sum, w, i) => (w === at ? sum + (grads[i] as number) : sum), 0),
            )
            expect(isNear(plane(tensor(x.shape, dx), sample, channel), sums)).toBe(true)
            const back = plane(g, sample, channel)
            expect(plane(tensor(y, picked ?? []), sample, channel)).toEqual(winners.map((at) => back[at]))
          }
      }),
      { numRuns: 200 },
    )
  })
  test('mean and its gradient', () => {
    fc.assert(
      fc.property(poolingCases.avgPool2d, (c) => {
        const x = tensor(c.inputs[0]?.type.shape ?? [], c.inputs[0]?.data ?? [])
        const y = resultShape(x, c.attrs)
        const dy = integers(y, 5)
        const [values = []] = runOp('avgPool2d', [x], c.attrs)
        const [dx = []] = runOp('avgPool2dGradient', [dy], { ...c.attrs, inputShape: x.shape })
        const windows = windowsByDefinition(x.shape, c.attrs, y)
        for (let sample = 0; sample < (x.shape[0] ?? 0); sample++)
          for (let channel = 0; channel < (x.shape[3] ?? 0); channel++) {
            const [of, grads] = [plane(x, sample, channel), plane(dy, sample, channel)]
            const means = windows.map(
              (places) => places.reduce((sum, at) => sum + (of[at] as number), 0) / places.length,
            )
            expect(isNear(plane(tensor(y, values), sample, channel), means)).toBe(true)
            const sums = of.map((_, at) =>
              windows.reduce(
                (sum, places, i) => (places.includes(at) ? sum + (grads[i] as number) / places.length : sum),
                0,
              ),
            )
            expect(isNear(plane(tensor(x.shape, dx), sample, channel), sums)).toBe(true)
          }
      }),
    )
  })
})

const pools = ['maxPool2d', 'avgPool2d', 'maxPool2dGradient', 'avgPool2dGradient'] as const
/** The result types of pooling x. The gradient's dy has the given type, or the type of x. */
const types = (
  op: (typeof pools)[number],
  x: Type,
  window: WindowAttrs,
  dy: Type = { ...x },
): readonly Type[] | string =>
  op === 'maxPool2dGradient'
    ? inferOp(op, [x, dy], window)
    : op === 'avgPool2dGradient'
      ? inferOp(op, [dy], { ...window, inputShape: x.shape })
      : inferOp(op, [x], window)

describe.each(pools)('constraints of %s', (op) => {
  const x = floats(1, 4, 4, 2)
  test('C1: a float operand of rank 4', () => {
    expect(types(op, floats(4, 4, 2), attrs(2, 1))).toMatch(/^C1: /)
    expect(types(op, { dtype: 'int32', shape: [1, 4, 4, 2] }, attrs(2, 1))).toMatch(/^C1: /)
  })
  test('C2: the window fits into the padded input', () => {
    expect(types(op, x, attrs(5, 1, 'valid'))).toMatch(/^C2: .*5x5.*4x4/)
    expect(types(op, x, attrs(5, 1, corner), floats(1, 1, 1, 2))).toBeInstanceOf(Array)
  })
  test('C3: padding on each side is smaller than the window', () => {
    for (const padding of [
      [
        [2, 0],
        [0, 0],
      ],
      [
        [0, 2],
        [0, 0],
      ],
      [
        [0, 0],
        [2, 0],
      ],
      [
        [0, 0],
        [0, 2],
      ],
    ] as const)
      expect(types(op, x, attrs(2, 1, padding))).toMatch(/^C3: /)
  })
  if (op.endsWith('Gradient'))
    test('C4: dy has the type of the pooled image', () => {
      expect(types(op, x, attrs(2, 2), floats(1, 2, 2, 3))).toMatch(/^C4: /)
      expect(types(op, x, attrs(2, 2), floats(1, 4, 4, 2))).toMatch(/^C4: /)
      if (op === 'maxPool2dGradient')
        expect(types(op, x, attrs(2, 2), { dtype: 'float16', shape: [1, 2, 2, 2] })).toMatch(/^C4: /)
      expect(types(op, x, attrs(2, 2), floats(1, 2, 2, 2))).toEqual([x])
    })
})

describe('constraints of values', () => {
  const negative = tensor([1, 2, 2, 1], [-5, -6, -7, -8])
  test('maxPool2d C4: padding does not count', () =>
    expect(runOp('maxPool2d', [negative], attrs(2, 1))).toEqual([[-5, -6, -7, -8]]))
  test('maxPool2d C5: NaN if a window holds NaN', () =>
    expect(
      runOp('maxPool2d', [tensor([1, 1, 4, 1], [1, nan, 9, 3])], { window: [1, 2], strides: [1, 2], padding: 'valid' }),
    ).toEqual([[nan, 9]]))
  test('avgPool2d C4: padding does not count', () =>
    expect(runOp('avgPool2d', [negative], attrs(2, 1))).toEqual([[-6.5, -7, -7.5, -8]]))
  const dy = tensor([1, 1, 1, 1], [3])
  const gradient = (data: readonly number[]) =>
    runOp('maxPool2dGradient', [tensor([1, 2, 2, 1], data), dy], attrs(2, 2))
  test('maxPool2dGradient C5: of equal elements the first in row-major order', () => {
    expect(gradient([1, 4, 4, 4])).toEqual([[0, 3, 0, 0]])
    expect(gradient([-Infinity, -Infinity, -Infinity, -Infinity])).toEqual([[3, 0, 0, 0]])
  })
  test('maxPool2dGradient C6: NaN counts as larger than everything', () =>
    expect(gradient([Infinity, 1, nan, nan])).toEqual([[0, 0, 3, 0]]))
  test('maxPool2dGradient C7: only dy is differentiated again; never finds a maximum in the padding', () => {
    const lowest = tensor([1, 2, 2, 1], [-Infinity, -Infinity, -Infinity, -Infinity])
    const g = tensor([1, 2, 2, 1], [1, 2, 3, 4])
    const dys = tensor([1, 2, 2, 1], [0, 0, 0, 0])
    expect(gradientsOf('maxPool2dGradient', [lowest, dys], attrs(2, 1, corner), [g])).toEqual([null, [1, 1, 1, 1]])
    expect(gradientsOf('maxPool2dGradient', [tensor([1, 2, 2, 1], [1, 4, nan, nan]), dy], attrs(2, 2), [g])).toEqual([
      null,
      [3],
    ])
  })
})
