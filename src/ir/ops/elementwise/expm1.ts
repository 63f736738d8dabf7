import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const expm1Doc: OpDoc = {
  summary: 'exp(x) - 1, exact near 0.',
  constraints: ['C1: a float operand'],
  example: /* @__PURE__ */ unaryExample('expm1'),
}

export const expm1: OpDef<'expm1'> = {
  name: 'expm1',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.expm1),
  amp: ampAll('deny'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const expm1Vjp: OpVjp<'expm1'> = ({ outGrads: [g], outputs: [y], b }) => [b.mul(g, b.add(y, 1))]
