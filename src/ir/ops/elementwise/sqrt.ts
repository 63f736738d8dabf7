import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const sqrtDoc: OpDoc = {
  summary: 'Square root.',
  constraints: ['C1: a float operand', 'C2: NaN below 0; correctly rounded'],
  example: /* @__PURE__ */ unaryExample('sqrt'),
}

export const sqrt: OpDef<'sqrt'> = {
  name: 'sqrt',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.sqrt),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'rounding',
  cost: elementwiseCost,
}

export const sqrtVjp: OpVjp<'sqrt'> = ({ outGrads: [g], outputs: [y], b }) => [b.div(g, b.mul(y, 2))]
