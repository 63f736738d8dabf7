import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { binaryExample, boolBinary, mapBinary } from './shared.ts'

export const orDoc: OpDoc = {
  summary: 'Logical disjunction.',
  constraints: ['C1: equal shapes', 'C2: bool'],
  example: /* @__PURE__ */ binaryExample('or', 'bool[3]'),
}

export const or: OpDef<'or'> = {
  name: 'or',
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: boolBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, (x, y) => Math.max(x, y)),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const orVjp: OpVjp<'or'> = 'zero'
