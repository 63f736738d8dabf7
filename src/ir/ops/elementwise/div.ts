import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, numericBinary, mapBinary } from './shared.ts'

export const divDoc: OpDoc = {
  summary: 'Elementwise quotient.',
  constraints: [
    'C1: equal shapes',
    'C2: equal dtypes',
    'C3: numeric',
    'C4: int32 truncates toward zero, wraps around, and gives 0 for a divisor of 0',
    'C5: floats: IEEE 754, one rounding',
  ],
  example: /* @__PURE__ */ binaryExample('div'),
}

export const div: OpDef<'div'> = {
  name: 'div',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: numericBinary,
  evalRef: ({ inputs: [a, b] }) =>
    mapBinary(a, b, a.dtype === 'int32' ? (x, y) => (y === 0 ? 0 : Math.trunc(x / y)) : (x, y) => x / y),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'rounding',
  cost: elementwiseCost,
}

export const divVjp: OpVjp<'div'> = ({ outGrads: [g], inputs: [, y], outputs: [z], b }) => [
  b.div(g, y),
  b.neg(b.div(b.mul(g, z), y)),
]
