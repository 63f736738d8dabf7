import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, numericBinary, mapBinary } from './shared.ts'

export const remainderDoc: OpDoc = {
  summary: 'What is left of x after dividing by y toward zero; has the sign of x.',
  constraints: [
    'C1: equal shapes',
    'C2: equal dtypes',
    'C3: numeric',
    'C4: int32 gives 0 for a divisor of 0',
    'C5: floats: exact, as C fmod; NaN for a divisor of 0',
    'C6: the gradient by y is minus the truncated quotient, also where that jumps',
  ],
  example: /* @__PURE__ */ binaryExample('remainder'),
}

export const remainder: OpDef<'remainder'> = {
  name: 'remainder',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: numericBinary,
  evalRef: ({ inputs: [a, b] }) =>
    mapBinary(a, b, a.dtype === 'int32' ? (x, y) => (y === 0 ? 0 : x % y) : (x, y) => x % y),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const remainderVjp: OpVjp<'remainder'> = ({ outGrads: [g], inputs: [x, y], b }) => {
  const q = b.div(x, y)
  const truncated = b.mul(b.unary('sign', q), b.unary('floor', b.abs(q)))
  return [g, b.neg(b.mul(g, truncated))]
}
