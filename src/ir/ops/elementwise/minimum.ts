import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, numericBinary, mapBinary } from './shared.ts'

export const minimumDoc: OpDoc = {
  summary: 'The smaller of two.',
  constraints: [
    'C1: equal shapes',
    'C2: equal dtypes',
    'C3: numeric',
    'C4: NaN if an operand is NaN; -0 is smaller than 0',
    'C5: where both are equal the gradient goes to the first, where the result is NaN to neither',
  ],
  example: /* @__PURE__ */ binaryExample('minimum'),
}

export const minimum: OpDef<'minimum'> = {
  name: 'minimum',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: numericBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, (x, y) => Math.min(x, y)),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const minimumVjp: OpVjp<'minimum'> = ({ outGrads: [g], inputs: [x, y], b }) => [
  b.select(b.compare('le', x, y), g, 0),
  b.select(b.compare('gt', x, y), g, 0),
]
