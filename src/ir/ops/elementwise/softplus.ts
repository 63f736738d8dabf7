import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const softplusDoc: OpDoc = {
  summary: 'log(1 + exp(x)).',
  constraints: ['C1: a float operand', 'C2: does not overflow: max(x, 0) + log1p(exp(-|x|))'],
  example: /* @__PURE__ */ unaryExample('softplus'),
}

export const softplus: OpDef<'softplus'> = {
  name: 'softplus',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const softplusVjp: OpVjp<'softplus'> = ({ outGrads: [g], inputs: [x], b }) => [b.mul(g, b.sigmoid(x))]
