import { noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { fold, reduceAttrSpecs, reduceExample, reduceTypes } from './shared.ts'

export const reduceAllDoc: OpDoc = {
  summary: 'True where every element over the axes is true.',
  constraints: ['C1: ascending axes that exist', 'C2: a bool operand'],
  example: /* @__PURE__ */ reduceExample('reduceAll', 'bool'),
}

export const reduceAll: OpDef<'reduceAll'> = {
  name: 'reduceAll',
  level: 'primitive',
  arity: 1,
  attrs: reduceAttrSpecs,
  infer: ([x], attrs) => reduceTypes(x, attrs, (dtype) => dtype === 'bool', 'a bool'),
  evalRef: ({ inputs: [x], attrs: { axes } }) => [fold(x, axes, 1, Math.min)],
  amp: [],
  fusion: 'reduction',
  tolerance: 'exact',
  cost: noCost,
}

export const reduceAllVjp: OpVjp<'reduceAll'> = 'zero'
