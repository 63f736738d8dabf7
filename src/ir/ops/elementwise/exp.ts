import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const expDoc: OpDoc = {
  summary: 'e to the x.',
  constraints: ['C1: a float operand', 'C2: overflows to infinity'],
  example: /* @__PURE__ */ unaryExample('exp'),
}

export const exp: OpDef<'exp'> = {
  name: 'exp',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.exp),
  amp: ampAll('deny'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const expVjp: OpVjp<'exp'> = ({ outGrads: [g], outputs: [y], b }) => [b.mul(g, y)]
