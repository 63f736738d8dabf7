import { noCost, type OpDef } from '../../op-def.ts'
import { fold, reduceAttrSpecs, reduceExample, reduceTypes } from './shared.ts'

export const reduceAny: OpDef<'reduceAny'> = {
  name: 'reduceAny',
  summary: 'True where any element over the axes is true.',
  constraints: ['C1: ascending axes that exist', 'C2: a bool operand'],
  level: 'primitive',
  arity: 1,
  attrs: reduceAttrSpecs,
  infer: ([x], attrs) => reduceTypes(x, attrs, (dtype) => dtype === 'bool', 'a bool'),
  evalRef: ({ inputs: [x], attrs: { axes } }) => [fold(x, axes, 0, Math.max)],
  vjp: 'zero',
  amp: [],
  fusion: 'reduction',
  tolerance: 'exact',
  cost: noCost,
  example: reduceExample('reduceAny', 'bool'),
}
