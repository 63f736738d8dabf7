import { type Arbitrary, fc } from '../fast-check.ts'
import { opDef } from '../../ir/ops/index.ts'
import type { ContractionOps, ConvAttrs, Padding } from '../../ir/signatures.ts'
import type { Float, Type } from '../../ir/types.ts'
import { tensorArb } from '../arbitraries.ts'
import type { CaseTable } from '../op-case.ts'

const float: Arbitrary<Float> = fc.constantFrom('float32', 'float32', 'float16', 'bfloat16')
const size = (max: number): Arbitrary<number> => fc.integer({ min: 1, max })
const smallPair = fc.tuple(size(2), size(2))
const padding: Arbitrary<Padding> = fc.oneof(
  fc.constantFrom<Padding>('same', 'valid'),
  fc.tuple(fc.tuple(fc.nat(2), fc.nat(2)), fc.tuple(fc.nat(2), fc.nat(2))),
)

interface Geometry {
  readonly x: Type
  readonly kernel: Type
  readonly attrs: ConvAttrs
  readonly y: Type
}

/** Types of the operands and the result of a convolution whose window fits: odd and even sizes, strides, dilations, all paddings. */
const geometry = (op: 'conv2d' | 'depthwiseConv2d'): Arbitrary<Geometry> =>
  fc
    .record({
      dtype: float,
      n: size(2),
      h: size(7),
      w: size(7),
      c: size(3),
      f: size(3),
      kh: size(3),
      kw: size(3),
      strides: smallPair,
      dilations: smallPair,
      padding,
      isWide: fc.boolean(),
    })
    .map((g) => {
      const attrs: ConvAttrs = {
        strides: g.strides,
        dilations: g.dilations,
        padding: g.padding,
        resultDtype: g.isWide ? 'float32' : null,
      }
      const x: Type = { dtype: g.dtype, shape: [g.n, g.h, g.w, g.c] }
      const kernel: Type = { dtype: g.dtype, shape: [g.kh, g.kw, g.c, op === 'conv2d' ? g.f : 1] }
      const types = opDef(op).infer([x, kernel], attrs, [])
      return { x, kernel, attrs, y: typeof types === 'string' ? null : types[0] }
    })
    .filter((g): g is Geometry => g.y !== null && g.y !== undefined)

const forward = <K extends 'conv2d' | 'depthwiseConv2d'>(op: K) =>
  geometry(op).chain(({ x, kernel, attrs }) =>
    fc.tuple(tensorArb(x), tensorArb(kernel)).map((inputs) => ({ op, inputs, attrs, isSmooth: true })),
  )

export const contractionCases: CaseTable<ContractionOps> = {
  matmul: fc
    .record({
      dtype: float,
      batch: fc.array(size(2), { maxLength: 2 }),
      m: size(4),
      k: size(4),
      n: size(4),
      transposeA: fc.boolean(),
      transposeB: fc.boolean(),
      isWide: fc.boolean(),
    })
    .chain((g) =>
      fc
        .tuple(
          tensorArb({ dtype: g.dtype, shape: [...g.batch, ...(g.transposeA ? [g.k, g.m] : [g.m, g.k])] }),
          tensorArb({ dtype: g.dtype, shape: [...g.batch, ...(g.transposeB ? [g.n, g.k] : [g.k, g.n])] }),
        )
        .map((inputs) => ({
          op: 'matmul',
          inputs,
          attrs: { transposeA: g.transposeA, transposeB: g.transposeB, resultDtype: g.isWide ? 'float32' : null },
          isSmooth: true,
        })),
    ),
  conv2d: forward('conv2d'),
  conv2dInputGradient: geometry('conv2d').chain(({ x, kernel, attrs, y }) =>
    fc.tuple(tensorArb({ ...y, dtype: x.dtype }), tensorArb(kernel)).map((inputs) => ({
      op: 'conv2dInputGradient',
      inputs,
      attrs: { ...attrs, inputShape: x.shape },
      isSmooth: true,
    })),
  ),
  conv2dFilterGradient: geometry('conv2d').chain(({ x, kernel, attrs, y }) =>
    fc.tuple(tensorArb(x), tensorArb({ ...y, dtype: x.dtype })).map((inputs) => ({
      op: 'conv2dFilterGradient',
      inputs,
      attrs: { ...attrs, filterShape: kernel.shape },
      isSmooth: true,
    })),
  ),
  depthwiseConv2d: forward('depthwiseConv2d'),
  depthwiseConv2dInputGradient: geometry('depthwiseConv2d').chain(({ x, kernel, attrs, y }) =>
    fc.tuple(tensorArb({ ...y, dtype: x.dtype }), tensorArb(kernel)).map((inputs) => ({
      op: 'depthwiseConv2dInputGradient',
      inputs,
      attrs: { ...attrs, inputShape: x.shape },
      isSmooth: true,
    })),
  ),
  depthwiseConv2dFilterGradient: geometry('depthwiseConv2d').chain(({ x, kernel, attrs, y }) =>
    fc.tuple(tensorArb(x), tensorArb({ ...y, dtype: x.dtype })).map((inputs) => ({
      op: 'depthwiseConv2dFilterGradient',
      inputs,
      attrs: { ...attrs, filterShape: kernel.shape },
      isSmooth: true,
    })),
  ),
}
