import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, numericBinary, mapBinary } from './shared.ts'

export const subDoc: OpDoc = {
  summary: 'Elementwise difference.',
  constraints: [
    'C1: equal shapes',
    'C2: equal dtypes',
    'C3: numeric',
    'C4: int32 wraps around',
    'C5: NaN if an operand is NaN; one rounding',
  ],
  example: /* @__PURE__ */ binaryExample('sub'),
}

export const sub: OpDef<'sub'> = {
  name: 'sub',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: numericBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, (x, y) => x - y),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'rounding',
  cost: elementwiseCost,
}

export const subVjp: OpVjp<'sub'> = ({ outGrads: [g], b }) => [g, b.neg(g)]
