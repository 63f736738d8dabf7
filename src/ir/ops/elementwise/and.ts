import { ampAll, elementwiseCost, type OpDef } from '../../op-def.ts'
import { binaryExample, boolBinary, mapBinary } from './shared.ts'

export const and: OpDef<'and'> = {
  name: 'and',
  summary: 'Logical conjunction.',
  constraints: ['C1: equal shapes', 'C2: bool'],
  level: 'primitive',
  arity: 2,
  attrs: {},
  infer: boolBinary,
  evalRef: ({ inputs: [a, b] }) => mapBinary(a, b, (x, y) => x * y),
  vjp: 'zero',
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
  example: binaryExample('and', 'bool[3]'),
}
