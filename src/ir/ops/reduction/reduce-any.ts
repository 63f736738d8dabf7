import { noCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { fold, reduceAttrSpecs, reduceExample, reduceTypes } from './shared.ts'

export const reduceAnyDoc: OpDoc = {
  summary: 'True where any element over the axes is true.',
  constraints: ['C1: ascending axes that exist', 'C2: a bool operand'],
  example: /* @__PURE__ */ reduceExample('reduceAny', 'bool'),
}

export const reduceAny: OpDef<'reduceAny'> = {
  name: 'reduceAny',
  level: 'primitive',
  arity: 1,
  attrs: reduceAttrSpecs,
  infer: ([x], attrs) => reduceTypes(x, attrs, (dtype) => dtype === 'bool', 'a bool'),
  evalRef: ({ inputs: [x], attrs: { axes } }) => [fold(x, axes, 0, Math.max)],
  amp: [],
  fusion: 'reduction',
  tolerance: 'exact',
  cost: noCost,
}

export const reduceAnyVjp: OpVjp<'reduceAny'> = 'zero'
