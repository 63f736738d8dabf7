import { type Arbitrary, fc } from '../fast-check.ts'
import type { MovementOps } from '../../ir/signatures.ts'
import { elements, isFloat, type DType, type Type } from '../../ir/types.ts'
import { shapeArb, tensorArb } from '../arbitraries.ts'
import type { CaseInput, CaseTable } from '../op-case.ts'

const dtype: Arbitrary<DType> = fc.constantFrom('float32', 'float32', 'float16', 'bfloat16', 'int32', 'bool')
const tensor = (ranks: { readonly min?: number; readonly max?: number } = {}): Arbitrary<CaseInput> =>
  fc.tuple(dtype, shapeArb(ranks, 3)).chain(([type, shape]) => tensorArb({ dtype: type, shape }))
const smooth = (x: CaseInput): boolean => isFloat(x.type.dtype)
/** One number per axis. */
const perAxis = (type: Type, max: number): Arbitrary<number[]> =>
  fc.array(fc.nat(max), { minLength: type.shape.length, maxLength: type.shape.length })

export const movementCases: CaseTable<MovementOps> = {
  reshape: fc.tuple(tensor(), fc.nat(3)).map(([x, how]) => {
    const count = elements(x.type.shape)
    const shapes = [[count], [...x.type.shape].reverse(), [1, ...x.type.shape], [count, 1]]
    return { op: 'reshape', inputs: [x], attrs: { shape: shapes[how] ?? [count] }, isSmooth: smooth(x) }
  }),
  broadcast: fc
    .tuple(tensor({ max: 3 }), fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 5, maxLength: 5 }), fc.nat(3))
    .map(([x, sizes, mask]) => {
      // Each bit of the mask adds a new axis; axes of size 1 grow.
      const shape: number[] = []
      const axes: number[] = []
      x.type.shape.forEach((size, i) => {
        if ((mask >> i) % 2 === 1) shape.push(sizes[i] ?? 1)
        axes.push(shape.length)
        shape.push(size === 1 ? (sizes[i + 1] ?? 1) : size)
      })
      if (mask === 3) shape.push(sizes[4] ?? 1)
      return { op: 'broadcast', inputs: [x], attrs: { shape, axes }, isSmooth: smooth(x) }
    }),
  transpose: tensor().chain((x) =>
    fc
      .shuffledSubarray(
        x.type.shape.map((_, axis) => axis),
        { minLength: x.type.shape.length },
      )
      .map((permutation) => ({ op: 'transpose', inputs: [x], attrs: { permutation }, isSmooth: smooth(x) })),
  ),
  slice: tensor().chain((x) =>
    fc.tuple(perAxis(x.type, 2), perAxis(x.type, 2), perAxis(x.type, 2)).map(([a, b, c]) => {
      const starts = x.type.shape.map((size, i) => Math.min(a[i] ?? 0, size - 1))
      const limits = x.type.shape.map((size, i) => Math.max((starts[i] ?? 0) + 1, size - (b[i] ?? 0)))
      return { op: 'slice', inputs: [x], attrs: { starts, limits, strides: c.map((s) => s + 1) }, isSmooth: smooth(x) }
    }),
  ),
  pad: tensor().chain((x) =>
    fc
      .tuple(perAxis(x.type, 2), perAxis(x.type, 2), perAxis(x.type, 2), fc.constantFrom(0, 1))
      .map(([low, high, interior, value]) => ({
        op: 'pad',
        inputs: [x],
        attrs: { low, high, interior, value },
        isSmooth: smooth(x),
      })),
  ),
  concatenate: tensor({ min: 1 }).chain((x) =>
    fc
      .tuple(fc.nat(x.type.shape.length - 1), fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }))
      .chain(([axis, sizes]) =>
        fc
          .tuple(
            ...sizes.map((size) =>
              tensorArb({ dtype: x.type.dtype, shape: x.type.shape.map((s, i) => (i === axis ? size : s)) }),
            ),
          )
          .map((others) => ({ op: 'concatenate', inputs: [x, ...others], attrs: { axis }, isSmooth: smooth(x) })),
      ),
  ),
  reverse: tensor().chain((x) =>
    fc
      .subarray(x.type.shape.map((_, axis) => axis))
      .map((axes) => ({ op: 'reverse', inputs: [x], attrs: { axes }, isSmooth: smooth(x) })),
  ),
  gather: tensor({ min: 1, max: 3 }).chain((x) =>
    fc.tuple(fc.nat(x.type.shape.length - 1), shapeArb({ max: 2 }, 3)).chain(([axis, shape]) =>
      // Also indices out of range, which gather clamps.
      tensorArb({ dtype: 'int32', shape }, fc.integer({ min: -1, max: 4 })).map((indices) => ({
        op: 'gather',
        inputs: [x, indices],
        attrs: { axis },
        isSmooth: smooth(x),
      })),
    ),
  ),
  oneHot: fc
    .tuple(
      shapeArb({ max: 2 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('float32' as const, 'int32' as const, 'bool' as const, 'float16' as const),
    )
    .chain(([shape, depth, to]) =>
      tensorArb({ dtype: 'int32', shape }, fc.integer({ min: -1, max: 5 })).map((indices) => ({
        op: 'oneHot',
        inputs: [indices],
        attrs: { depth, dtype: to },
        isSmooth: false,
      })),
    ),
}
