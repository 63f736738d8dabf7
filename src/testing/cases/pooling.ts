import { type Arbitrary, fc } from '../fast-check.ts'
import { opDef } from '../../ir/ops/index.ts'
import type { Padding, PoolingOps, WindowAttrs } from '../../ir/signatures.ts'
import type { Float, Type } from '../../ir/types.ts'
import { distinctArb, isDistinct, tensorArb } from '../arbitraries.ts'
import type { CaseTable } from '../op-case.ts'

const size = (max: number): Arbitrary<number> => fc.integer({ min: 1, max })

interface Geometry {
  readonly x: Type
  readonly attrs: WindowAttrs
  readonly y: Type
}

const geometry: Arbitrary<Geometry> = fc
  .record({
    dtype: fc.constantFrom<Float>('float32', 'float32', 'float16', 'bfloat16'),
    n: size(2),
    h: size(6),
    w: size(6),
    c: size(3),
    window: fc.tuple(size(3), size(3)),
    strides: fc.tuple(size(2), size(2)),
    padding: fc.constantFrom<Padding>('same', 'valid', [
      [1, 0],
      [0, 1],
    ]),
  })
  .map(({ dtype, n, h, w, c, window, strides, padding }) => {
    const x: Type = { dtype, shape: [n, h, w, c] }
    const attrs: WindowAttrs = { window, strides, padding }
    const types = opDef('maxPool2d').infer([x], attrs, [])
    return { x, attrs, y: typeof types === 'string' ? null : types[0] }
  })
  .filter((g): g is Geometry => g.y !== null && g.y !== undefined)

export const poolingCases: CaseTable<PoolingOps> = {
  maxPool2d: geometry.chain(({ x, attrs }) =>
    fc
      .oneof(tensorArb(x), distinctArb(x))
      .map((data) => ({ op: 'maxPool2d', inputs: [data], attrs, isSmooth: isDistinct(data) })),
  ),
  maxPool2dGradient: geometry.chain(({ x, attrs, y }) =>
    // Smooth also at ties of x: only dy has a gradient, and the op is linear in dy.
    fc
      .tuple(fc.oneof(tensorArb(x, fc.constantFrom(-1, 0, 1)), distinctArb(x)), tensorArb(y))
      .map((inputs) => ({ op: 'maxPool2dGradient', inputs, attrs, isSmooth: true })),
  ),
  avgPool2d: geometry.chain(({ x, attrs }) =>
    tensorArb(x).map((data) => ({ op: 'avgPool2d', inputs: [data], attrs, isSmooth: true })),
  ),
  avgPool2dGradient: geometry.chain(({ x, attrs, y }) =>
    tensorArb(y).map((data) => ({
      op: 'avgPool2dGradient',
      inputs: [data],
      attrs: { ...attrs, inputShape: x.shape },
      isSmooth: true,
    })),
  ),
}
