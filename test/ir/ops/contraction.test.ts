/**
 * Contractions: values by hand, convolutions and their gradients compared with plain sums over all indices, and one test for each numbered
 * constraint.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { opDef } from '../../../src/ir/ops/index.ts'
import type { ConvAttrs, Padding } from '../../../src/ir/signatures.ts'
import type { Type } from '../../../src/ir/types.ts'
import { contractionCases } from '../../../src/testing/cases/contraction.ts'
import type { OpCase } from '../../../src/testing/op-case.ts'
import { floats, gradientsOf, inferOp, isNear, runOp, tensor, type Operand } from './run-op.ts'

const plain: ConvAttrs = { strides: [1, 1], padding: 'same', dilations: [1, 1], resultDtype: null }
const count = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
const image = tensor([1, 4, 4, 1], count(16)) // 1 2 3 4 / 5 6 7 8 / 9 10 11 12 / 13 14 15 16
const ones = (...shape: readonly number[]): Operand =>
  tensor(shape, new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(1))

describe('conv2d by hand: a 4x4 image', () => {
  const conv = (kernel: Operand, attrs: Partial<ConvAttrs>) =>
    runOp('conv2d', [image, kernel], { ...plain, ...attrs })[0]
  test("padding 'same' with an even size and stride 2 pads at the end, as in TensorFlow", () =>
    expect(conv(ones(3, 3, 1, 1), { strides: [2, 2] })).toEqual([54, 45, 72, 54]))
  test('symmetric padding gives other numbers', () => {
    const padding: Padding = [
      [1, 1],
      [1, 1],
    ]
    expect(conv(ones(3, 3, 1, 1), { strides: [2, 2], padding })).toEqual([14, 30, 57, 99])
  })
  test("padding 'same' with an even window pads at the end", () =>
    expect(conv(ones(2, 2, 1, 1), {})).toEqual([14, 18, 22, 12, 30, 34, 38, 20, 46, 50, 54, 28, 27, 29, 31, 16]))
  test('valid; the kernel is not flipped', () =>
    expect(conv(tensor([2, 2, 1, 1], [1, 10, 100, 1000]), { padding: 'valid', strides: [2, 2] })).toEqual([
      6521,
      8743,
      14 * 1000 + 13 * 100 + 100 + 9,
      16 * 1000 + 15 * 100 + 120 + 11,
    ]))
  test('dilation 2', () =>
    expect(conv(tensor([2, 2, 1, 1], [1, 10, 100, 1000]), { padding: 'valid', dilations: [2, 2] })).toEqual([
      11931, 13042, 16375, 17486,
    ]))
  test('explicit padding, different on each side', () => {
    const padding: Padding = [
      [0, 1],
      [2, 0],
    ]
    // Rows 3, 4 and the padding below; columns: two of padding, 1 … 4.
    const got = conv(ones(2, 3, 1, 1), { padding, strides: [3, 1] })
    expect(got).toEqual([6, 14, 24, 30, 13, 27, 42, 45])
  })
  test('strides and paddings by axis: height first', () =>
    expect(
      inferOp('conv2d', [floats(2, 9, 8, 3), floats(3, 2, 3, 5)], { ...plain, strides: [2, 4], padding: 'valid' }),
    ).toEqual([floats(2, 4, 2, 5)]))
  test('channels: [1,2] times [[1,2,3],[4,5,6]]', () =>
    expect(runOp('conv2d', [tensor([1, 1, 1, 2], [1, 2]), tensor([1, 1, 2, 3], count(6))], plain)).toEqual([
      [9, 12, 15],
    ]))
  test('depthwise: a kernel for each channel', () => {
    const x = tensor([1, 2, 2, 2], [1, 10, 2, 20, 3, 30, 4, 40])
    const kernel = tensor([2, 1, 2, 1], [1, 2, 10, 20])
    expect(runOp('depthwiseConv2d', [x, kernel], { ...plain, padding: 'valid' })).toEqual([[31, 620, 42, 840]])
  })
  test('a kernel completely in the padding reads zeros', () => {
    const padding: Padding = [
      [3, 0],
      [0, 0],
    ]
    expect(conv(ones(1, 4, 1, 1), { padding })).toEqual([0, 0, 0, 10, 26, 42, 58])
  })
})

type Conv = OpCase<'conv2d'> | OpCase<'depthwiseConv2d'>

/** The definition, summed over all indices of a function that is 0 outside of the image. `y` gives the shape of the result. */
const convByDefinition = (
  x: Operand,
  kernel: Operand,
  attrs: ConvAttrs,
  y: readonly number[],
  isDepthwise: boolean,
): number[] => {
  const [, height = 0, width = 0, channels = 0] = x.shape
  const [kh = 0, kw = 0, , last = 0] = kernel.shape
  const [n = 0, h2 = 0, w2 = 0, filters = 0] = y
  const before = (axis: 0 | 1, size: number, window: number): number => {
    if (attrs.padding === 'valid') return 0
    if (attrs.padding !== 'same') return attrs.padding[axis][0]
    const steps = Math.ceil(size / attrs.strides[axis]) - 1
    return Math.floor(Math.max(0, steps * attrs.strides[axis] + (window - 1) * attrs.dilations[axis] + 1 - size) / 2)
  }
  const [top, left] = [before(0, height, kh), before(1, width, kw)]
  const pixel = (b: number, i: number, j: number, c: number): number =>
    i < 0 || j < 0 || i >= height || j >= width ? 0 : (x.data[((b * height + i) * width + j) * channels + c] as number)
  const weight = (ky: number, kx: number, c: number, f: number): number =>
    isDepthwise
      ? c === f
        ? (kernel.data[(ky * kw + kx) * channels + c] as number)
        : 0
      : (kernel.data[((ky * kw + kx) * channels + c) * last + f] as number)
  const out: number[] = []
  for (let b = 0; b < n; b++)
    for (let i = 0; i < h2; i++)
      for (let j = 0; j < w2; j++)
        for (let f = 0; f < filters; f++) {
          let sum = 0
          for (let ky = 0; ky < kh; ky++)
            for (let kx = 0; kx < kw; kx++)
              for (let c = 0; c < channels; c++)
                sum +=
                  pixel(
                    b,
                    i * attrs.strides[0] + ky * attrs.dilations[0] - top,
                    j * attrs.strides[1] + kx * attrs.dilations[1] - left,
                    c,
                  ) * weight(ky, kx, c, f)
          out.push(sum)
        }
  return out
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, v, i) => sum + v * (b[i] as number), 0)
/** The operand with 1 at one position and 0 elsewhere. */
const unit = (shape: readonly number[], at: number): Operand =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (i === at ? 1 : 0)),
  )

describe.each(['conv2d', 'depthwiseConv2d'] as const)('%s against its definition', (op) => {
  const cases: fc.Arbitrary<Conv> = contractionCases[op]
  const isDepthwise = op === 'depthwiseConv2d'
  const parts = (c: Conv) => {
    const [x, kernel] = c.inputs.map(({ type, data }) => tensor(type.shape, data)) as [Operand, Operand]
    const y = inferOp(op, [floats(...x.shape), floats(...kernel.shape)], { ...c.attrs, resultDtype: null }) as Type[]
    return { x, kernel, shape: y[0]?.shape ?? [], attrs: { ...c.attrs, resultDtype: null } }
  }
  test('forward', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { x, kernel, shape, attrs } = parts(c)
        const [got = []] = runOp(op, [x, kernel], attrs)
        expect(isNear(got, convByDefinition(x, kernel, attrs, shape, isDepthwise))).toBe(true)
      }),
    )
  })
  // The operation is linear in each operand, so its gradient at a position is <conv(unit, other), dy>.
  test('gradient of the image and of the kernel', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const { x, kernel, shape, attrs } = parts(c)
        const dy = tensor(
          shape,
          Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % 11) - 5),
        )
        const wantX = x.data.map((_, i) =>
          dot(convByDefinition(unit(x.shape, i), kernel, attrs, shape, isDepthwise), dy.data),
        )
        const wantKernel = kernel.data.map((_, i) =>
          dot(convByDefinition(x, unit(kernel.shape, i), attrs, shape, isDepthwise), dy.data),
        )
        const [dx = []] = runOp(`${op}InputGradient`, [dy, kernel], { ...attrs, inputShape: x.shape })
        const [dKernel = []] = runOp(`${op}FilterGradient`, [x, dy], { ...attrs, filterShape: kernel.shape })
        expect(isNear(dx, wantX)).toBe(true)
        expect(isNear(dKernel, wantKernel)).toBe(true)
        const grads = gradientsOf(op, [x, kernel], attrs, [dy])
        expect(grads).toEqual([dx, dKernel])
      }),
      { numRuns: 60 },
    )
  })
})

describe('work', () => {
  const work = (op: 'conv2d' | 'depthwiseConv2d', x: Type, kernel: Type, y: Type) => {
    const attrs = { ...plain, strides: [2, 2] as const }
    expect(inferOp(op, [x, kernel], attrs)).toEqual([y])
    return [
      opDef(op).cost([x, kernel], [y], attrs),
      opDef(`${op}InputGradient`).cost([y, kernel], [x], { ...attrs, inputShape: x.shape }),
      opDef(`${op}FilterGradient`).cost([x, y], [kernel], { ...attrs, filterShape: kernel.shape }),
    ].map((cost) => cost.multiplyAdds)
  }
  test('a convolution and its gradients need equally many multiply-adds', () => {
    // EfficientNet-B0's stem at 224: 112 * 112 * 32 results of 3 * 3 * 3 products.
    const n = 112 * 112 * 32 * 27
    expect(work('conv2d', floats(1, 224, 224, 3), floats(3, 3, 3, 32), floats(1, 112, 112, 32))).toEqual([n, n, n])
  })
  test('depthwise: one product for each tap and result', () => {
    const n = 2 * 4 * 4 * 6 * 25
    expect(work('depthwiseConv2d', floats(2, 8, 8, 6), floats(5, 5, 6, 1), floats(2, 4, 4, 6))).toEqual([n, n, n])
  })
  test('matmul, transposed too', () => {
    const attrs = { transposeA: true, transposeB: true, resultDtype: null }
    const [a, b, y] = [floats(2, 5, 3), floats(2, 4, 5), floats(2, 3, 4)]
    expect(inferOp('matmul', [a, b], attrs)).toEqual([y])
    expect(opDef('matmul').cost([a, b], [y], attrs)).toEqual({ multiplyAdds: 2 * 3 * 4 * 5, operations: 0 })
  })
})

describe('matmul', () => {
  const flags = [false, true].flatMap((transposeA) => [false, true].map((transposeB) => ({ transposeA, transposeB })))
  const a = tensor([2, 3], count(6)) // 1 2 3 / 4 5 6
  const b = tensor([3, 2], [1, 0, 2, 1, 0, 3]) // 1 0 / 2 1 / 0 3
  const flipped = (x: Operand): Operand => {
    const [rows = 0, columns = 0] = x.shape
    return tensor(
      [columns, rows],
      Array.from({ length: x.data.length }, (_, i) => x.data[(i % rows) * columns + Math.floor(i / rows)] as number),
    )
  }
  test.each(flags)('by hand: $transposeA $transposeB', ({ transposeA, transposeB }) => {
    const operands = [transposeA ? flipped(a) : a, transposeB ? flipped(b) : b]
    expect(runOp('matmul', operands, { transposeA, transposeB, resultDtype: null })).toEqual([[5, 11, 14, 23]])
  })
  // dA = dY B^T, dB = A^T dY: with dY = 1 the sums of B's rows and of A's columns.
  test.each(flags)('gradients: $transposeA $transposeB', ({ transposeA, transposeB }) => {
    const operands = [transposeA ? flipped(a) : a, transposeB ? flipped(b) : b]
    const dy = tensor([2, 2], [1, 1, 1, 10])
    const da = tensor([2, 3], [1, 3, 3, 1, 12, 30])
    const db = tensor([3, 2], [5, 41, 7, 52, 9, 63])
    const want = [transposeA ? flipped(da) : da, transposeB ? flipped(db) : db].map((t) => t.data)
    expect(gradientsOf('matmul', operands, { transposeA, transposeB, resultDtype: null }, [dy])).toEqual(want)
  })
  test('leading axes are batches', () => {
    const x = tensor([2, 1, 1, 2], [1, 2, 3, 4])
    const y = tensor([2, 1, 2, 1], [5, 6, 7, 8])
    expect(runOp('matmul', [x, y], { transposeA: false, transposeB: false, resultDtype: null })).toEqual([[17, 53]])
  })
})

describe('constraints of matmul', () => {
  const attrs = { transposeA: false, transposeB: false, resultDtype: null }
  const half = (...shape: readonly number[]): Type => ({ dtype: 'float16', shape })
  const types = (a: Type, b: Type, more = {}) => inferOp('matmul', [a, b], { ...attrs, ...more })
  test('C1: rank 2 or more, equal ranks', () => {
    expect(types(floats(3), floats(3))).toMatch(/^C1: /)
    expect(types(floats(2, 3), floats(1, 3, 2))).toMatch(/^C1: /)
  })
  test('C2: equal float dtypes', () => {
    expect(types(floats(2, 3), half(3, 2))).toMatch(/^C2: /)
    expect(types({ dtype: 'int32', shape: [2, 2] }, { dtype: 'int32', shape: [2, 2] })).toMatch(/^C2: /)
  })
  test('C3: equal leading sizes', () => expect(types(floats(2, 2, 3), floats(1, 3, 2))).toMatch(/^C3: /))
  test('C4: the inner sizes agree', () => {
    expect(types(floats(2, 3), floats(2, 3))).toMatch(/^C4: .*3 and 2/)
    expect(types(floats(2, 3), floats(2, 3), { transposeB: true })).toEqual([floats(2, 2)])
    expect(types(floats(2, 3), floats(2, 3), { transposeA: true })).toEqual([floats(3, 3)])
  })
  test('C5: resultDtype is null or not narrower', () => {
    expect(types(floats(2, 3), floats(3, 2), { resultDtype: 'float16' })).toMatch(/^C5: /)
    expect(types(half(2, 3), half(3, 2), { resultDtype: 'float32' })).toEqual([floats(2, 2)])
  })
  test('C6: sums in the widest type at hand', () => {
    const [x, y] = [tensor([1, 4], [2048, 1, 1, 1], 'float16'), tensor([4, 1], [1, 1, 1, 1], 'float16')]
    expect(runOp('matmul', [x, y], attrs, 'declared')).toEqual([[2052]])
    expect(runOp('matmul', [x, y], { ...attrs, resultDtype: 'float32' }, 'declared')).toEqual([[2051]])
  })
})

// The arguments of each op of the family for one convolution: [1,5,5,2] with a kernel [3,3,2,F].
const family = (op: 'conv2d' | 'depthwiseConv2d') => {
  const last = op === 'conv2d' ? 4 : 1
  const x = floats(1, 5, 5, 2)
  const kernel = floats(3, 3, 2, last)
  const y = floats(1, 5, 5, op === 'conv2d' ? 4 : 2)
  interface Told {
    readonly x?: Type
    readonly kernel?: Type
    readonly y?: Type
    readonly attrs?: Partial<ConvAttrs>
  }
  return [
    {
      name: op,
      types: (t: Told) => inferOp(op, [t.x ?? x, t.kernel ?? kernel], { ...plain, ...t.attrs }),
      result: y,
    },
    {
      name: `${op}InputGradient` as const,
      types: (t: Told) =>
        inferOp(`${op}InputGradient`, [t.y ?? { ...y, dtype: (t.x ?? x).dtype }, t.kernel ?? kernel], {
          ...plain,
          ...t.attrs,
          inputShape: (t.x ?? x).shape,
        }),
      result: x,
    },
    {
      name: `${op}FilterGradient` as const,
      types: (t: Told) =>
        inferOp(`${op}FilterGradient`, [t.x ?? x, t.y ?? { ...y, dtype: (t.kernel ?? kernel).dtype }], {
          ...plain,
          ...t.attrs,
          filterShape: (t.kernel ?? kernel).shape,
        }),
      result: kernel,
    },
  ]
}
const half = (type: Type): Type => ({ ...type, dtype: 'float16' })

describe.each([...family('conv2d'), ...family('depthwiseConv2d')])(
  'constraints of $name',
  ({ name, types, result }) => {
    const isDepthwise = name.startsWith('depthwise')
    const last = isDepthwise ? 1 : 4
    test('none broken', () => expect(types({})).toEqual([result]))
    test('C1: rank 4', () => {
      expect(types({ x: floats(5, 5, 2) })).toMatch(/^C1: /)
      expect(types({ kernel: floats(3, 3, 2) })).toMatch(/^C1: /)
    })
    test('C2: equal float dtypes', () => {
      const int = (type: Type): Type => ({ ...type, dtype: 'int32' })
      expect(types({ x: half(floats(1, 5, 5, 2)) })).toMatch(/^C2: /)
      expect(types({ x: int(floats(1, 5, 5, 2)), kernel: int(floats(3, 3, 2, last)) })).toMatch(/^C2: /)
    })
    test('C3: image and kernel agree in channels', () => {
      expect(types({ kernel: floats(3, 3, 3, last) })).toMatch(/^C3: /)
      if (isDepthwise) expect(types({ kernel: floats(3, 3, 2, 2) })).toMatch(/^C3: /)
    })
    test('C4: the window fits into the padded input', () => {
      expect(types({ kernel: floats(6, 3, 2, last), attrs: { padding: 'valid' } })).toMatch(/^C4: /)
      expect(types({ attrs: { padding: 'valid', dilations: [1, 3] } })).toMatch(/^C4: /)
    })
    test('C5: resultDtype is null or not narrower', () => {
      expect(types({ attrs: { resultDtype: 'bfloat16' } })).toMatch(/^C5: /)
      const halves = { x: half(floats(1, 5, 5, 2)), kernel: half(floats(3, 3, 2, last)) }
      expect(types({ ...halves, attrs: { resultDtype: 'float32' } })).toEqual([result])
      expect(types(halves)).toEqual([half(result)])
    })
    if (name.endsWith('Gradient')) {
      test('C6: dy has the shape of the result', () => {
        const channels = isDepthwise ? 2 : 4
        for (const shape of [
          [1, 5, 4, channels],
          [1, 5, 5, channels + 1],
          [2, 5, 5, channels],
          [5, 5, channels],
        ])
          expect(types({ y: floats(...shape) })).toMatch(/^C6: /)
        expect(types({ y: floats(1, 3, 3, channels), attrs: { strides: [2, 2] } })).toEqual([result])
      })
    }
  },
)

describe('sums in the widest type at hand', () => {
  const long = tensor([1, 2, 2, 1], [2048, 1, 1, 1], 'float16')
  const units = tensor([2, 2, 1, 1], [1, 1, 1, 1], 'float16')
  const attrs: ConvAttrs = { ...plain, padding: 'valid' }
  test.each(['conv2d', 'depthwiseConv2d'] as const)('%s C6', (op) => {
    expect(runOp(op, [long, units], attrs, 'declared')).toEqual([[2052]])
    expect(runOp(op, [long, units], { ...attrs, resultDtype: 'float32' }, 'declared')).toEqual([[2051]])
  })
  test.each(['conv2d', 'depthwiseConv2d'] as const)('%sFilterGradient C7', (op) => {
    const dy = tensor([1, 2, 2, 1], [1, 1, 1, 1], 'float16')
    const more = { filterShape: [1, 1, 1, 1] }
    expect(runOp(`${op}FilterGradient`, [long, dy], { ...attrs, ...more }, 'declared')).toEqual([[2052]])
    const wide = { ...attrs, ...more, resultDtype: 'float32' } as const
    expect(runOp(`${op}FilterGradient`, [long, dy], wide, 'declared')).toEqual([[2051]])
  })
  test.each(['conv2d', 'depthwiseConv2d'] as const)('%sInputGradient C7', (op) => {
    // Each tap of [1, 1, 1] reads the middle of three pixels: 1 + 2048 + 1.
    const dy = tensor([1, 1, 3, 1], [1, 2048, 1], 'float16')
    const kernel = tensor([1, 3, 1, 1], [1, 1, 1], 'float16')
    const more = { ...plain, inputShape: [1, 1, 3, 1] }
    expect(runOp(`${op}InputGradient`, [dy, kernel], more, 'declared')).toEqual([[2048, 2050, 2048]])
    const wide = { ...more, resultDtype: 'float32' } as const
    expect(runOp(`${op}InputGradient`, [dy, kernel], wide, 'declared')).toEqual([[2049, 2050, 2049]])
  })
})
