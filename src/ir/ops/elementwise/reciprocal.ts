import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const reciprocalDoc: OpDoc = {
  summary: '1 / x.',
  constraints: ['C1: a float operand', 'C2: infinity with its sign at zeros'],
  example: /* @__PURE__ */ unaryExample('reciprocal'),
}

export const reciprocal: OpDef<'reciprocal'> = {
  name: 'reciprocal',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => 1 / v),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'rounding',
  cost: elementwiseCost,
}

export const reciprocalVjp: OpVjp<'reciprocal'> = ({ outGrads: [g], outputs: [y], b }) => [b.neg(b.mul(g, b.mul(y, y)))]
