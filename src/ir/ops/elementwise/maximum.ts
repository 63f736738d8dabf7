import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, numericBinary, mapBinary } from './shared.ts'

export const maximumDoc: OpDoc = {
  summary: 'The larger of two.',
  constraints: [
    'C1: equal shapes',
    'C2: equal dtypes',
    'C3: numeric',
    'C4: NaN if an operand is NaN; 0 is larger than -0',
    'C5: where both are equal the gradient goes to the first, where the result is NaN to neither',
  ],
  example: /* @__PURE__ */ binaryExample('maximum'),
}

export const maximum: OpDef<'maximum'> = {
  name: 'maximum',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: numericBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, (x, y) => Math.max(x, y)),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const maximumVjp: OpVjp<'maximum'> = ({ outGrads: [g], inputs: [x, y], b }) => [
  b.select(b.compare('ge', x, y), g, 0),
  b.select(b.compare('lt', x, y), g, 0),
]
