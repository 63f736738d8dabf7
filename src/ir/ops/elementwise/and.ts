import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, boolBinary, mapBinary } from './shared.ts'

export const andDoc: OpDoc = {
  summary: 'Logical conjunction.',
  constraints: ['C1: equal shapes', 'C2: bool'],
  example: /* @__PURE__ */ binaryExample('and', 'bool[3]'),
}

export const and: OpDef<'and'> = {
  name: 'and',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: boolBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, (x, y) => x * y),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const andVjp: OpVjp<'and'> = 'zero'
