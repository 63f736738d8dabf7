import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const reluDoc: OpDoc = {
  summary: 'max(x, 0).',
  constraints: ['C1: a float operand', 'C2: NaN stays NaN', 'C3: the gradient at 0 is 0'],
  example: /* @__PURE__ */ unaryExample('relu'),
}

export const relu: OpDef<'relu'> = {
  name: 'relu',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, (v) => (v < 0 ? 0 : v)),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const reluVjp: OpVjp<'relu'> = ({ outGrads: [g], inputs: [x], b }) => [b.select(b.compare('gt', x, 0), g, 0)]
