import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, mapBinary, numericBinary } from './shared.ts'

export const addDoc: OpDoc = {
  summary: 'Elementwise sum.',
  constraints: [
    'C1: equal shapes',
    'C2: equal dtypes',
    'C3: numeric',
    'C4: int32 wraps around',
    'C5: NaN if an operand is NaN; one rounding',
  ],
  example: /* @__PURE__ */ binaryExample('add'),
}

export const add: OpDef<'add'> = {
  name: 'add',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: numericBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, (x, y) => x + y),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'rounding',
  cost: elementwiseCost,
}

export const addVjp: OpVjp<'add'> = ({ outGrads: [g] }) => [g, g]
