import { ampAll, elementwiseCost, type OpDef } from '../../op-def.ts'
import { binaryExample, boolBinary, mapBinary } from './shared.ts'

export const or: OpDef<'or'> = {
  name: 'or',
  summary: 'Logical disjunction.',
  constraints: ['C1: equal shapes', 'C2: bool'],
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: boolBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, (x, y) => Math.max(x, y)),
  vjp: 'zero',
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
  example: binaryExample('or', 'bool[3]'),
}
