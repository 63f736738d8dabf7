import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const eluDoc: OpDoc = {
  summary: 'x where x > 0, exp(x) - 1 elsewhere (Clevert et al. 2015, alpha 1).',
  constraints: ['C1: a float operand'],
  example: /* @__PURE__ */ unaryExample('elu'),
}

export const elu: OpDef<'elu'> = {
  name: 'elu',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => (v > 0 ? v : Math.expm1(v))),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const eluVjp: OpVjp<'elu'> = ({ outGrads: [g], inputs: [x], outputs: [y], b }) => [
  b.select(b.compare('gt', x, 0), g, b.mul(g, b.add(y, 1))),
]
