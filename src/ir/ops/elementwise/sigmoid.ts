import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const sigmoidDoc: OpDoc = {
  summary: '1 / (1 + exp(-x)).',
  constraints: ['C1: a float operand', 'C2: -infinity gives 0, infinity gives 1'],
  example: /* @__PURE__ */ unaryExample('sigmoid'),
}

export const sigmoid: OpDef<'sigmoid'> = {
  name: 'sigmoid',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => 1 / (1 + Math.exp(-v))),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const sigmoidVjp: OpVjp<'sigmoid'> = ({ outGrads: [g], outputs: [y], b }) => [b.mul(g, b.mul(y, b.sub(1, y)))]
