import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, numericBinary, mapBinary } from './shared.ts'

export const mulDoc: OpDoc = {
  summary: 'Elementwise product.',
  constraints: [
    'C1: equal shapes',
    'C2: equal dtypes',
    'C3: numeric',
    'C4: int32 wraps around',
    'C5: NaN if an operand is NaN, and for 0 times infinity; one rounding',
  ],
  example: /* @__PURE__ */ binaryExample('mul'),
}

export const mul: OpDef<'mul'> = {
  name: 'mul',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: numericBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, a.dtype === 'int32' ? Math.imul : (x, y) => x * y),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'rounding',
  cost: elementwiseCost,
}

export const mulVjp: OpVjp<'mul'> = ({ outGrads: [g], inputs: [x, y], b }) => [b.mul(g, y), b.mul(g, x)]
