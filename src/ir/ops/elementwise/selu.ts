import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

/** Constants of the paper, in float64. */
const alpha = 1.6732632423543772
const scale = 1.0507009873554805

export const seluDoc: OpDoc = {
  summary: 'scale * (x where x > 0, alpha * (exp(x) - 1) elsewhere) (Klambauer et al. 2017).',
  constraints: ['C1: a float operand', 'C2: the gradient at 0 is that of the left side'],
  example: /* @__PURE__ */ unaryExample('selu'),
}

export const selu: OpDef<'selu'> = {
  name: 'selu',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => scale * (v > 0 ? v : alpha * Math.expm1(v))),
  amp: ampAll('infer'),
  fusion: 'elementwise',
  tolerance: 'transcendental',
  cost: elementwiseCost,
}

export const seluVjp: OpVjp<'selu'> = ({ outGrads: [g], inputs: [x], outputs: [y], b }) => [
  b.select(b.compare('gt', x, 0), b.mul(g, scale), b.mul(g, b.add(y, scale * alpha))),
]
