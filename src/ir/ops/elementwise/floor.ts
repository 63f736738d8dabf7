import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary, mapUnary, unaryExample } from './shared.ts'

export const floorDoc: OpDoc = {
  summary: 'The largest integer that is not greater.',
  constraints: ['C1: a float operand'],
  example: /* @__PURE__ */ unaryExample('floor'),
}

export const floor: OpDef<'floor'> = {
  name: 'floor',
  level: 'primitive',
  arity: 1,
  attrs: {},
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => mapUnary(x, Math.floor),
  amp: ampAll('clear'),
  fusion: 'elementwise',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const floorVjp: OpVjp<'floor'> = 'zero'
