import { oneOf } from '../../attrs.ts'
import { elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import type { OpAttrs } from '../../signatures.ts'
import { sameShape, showType } from '../../types.ts'
import { binaryExample, mapBinary } from './shared.ts'

type Direction = OpAttrs<'compare'>['direction']

const relations: { readonly [D in Direction]: (x: number, y: number) => boolean } = {
  eq: (x, y) => x === y,
  ne: (x, y) => x !== y,
  lt: (x, y) => x < y,
  le: (x, y) => x <= y,
  gt: (x, y) => x > y,
  ge: (x, y) => x >= y,
}

export const compareDoc: OpDoc = {
  summary: 'Elementwise comparison: eq, ne, lt, le, gt or ge.',
  constraints: ['C1: equal shapes', 'C2: equal dtypes', 'C3: with NaN everything is false but ne', 'C4: 0 equals -0'],
  example: /* @__PURE__ */ binaryExample('compare', 'float32[3]', 'bool[3]', ' {direction="lt"}'),
}

export const compare: OpDef<'compare'> = {
  name: 'compare',
  level: 'primitive',
  arity: 2,
  attrs: { direction: oneOf('eq', 'ne', 'lt', 'le', 'gt', 'ge') },
  infer: ([a, b]) =>
    !sameShape(a.shape, b.shape)
      ? `C1: operand shapes differ: ${showType(a)} and ${showType(b)}`
      : a.dtype !== b.dtype
        ? `C2: operand dtypes differ: ${a.dtype} and ${b.dtype}`
        : [{ dtype: 'bool', shape: a.shape }],
  evalRef: ({ inputs: [a, b], attrs: { direction } }) => {
    const holds = relations[direction]
    return mapBinary(a, b, (x, y) => (holds(x, y) ? 1 : 0))
  },
  amp: [{ class: 'clear', inputs: [0, 1], outputs: [] }],
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const compareVjp: OpVjp<'compare'> = 'zero'
