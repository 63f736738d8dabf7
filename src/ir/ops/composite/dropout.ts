import { custom, oneOf, text, withDefault } from '../../attrs.ts'
import { ampAll, elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { floatUnary } from '../elementwise/shared.ts'

export const dropoutDoc: OpDoc = {
  summary:
    'Dropout as a model declares it, without a mode: in training elements (or whole samples: stochastic depth) are dropped at `rate` and the rest scaled by 1/(1-rate).',
  constraints: ['C1: a float operand', 'C2: the identity until training is chosen'],
  example: `graph example {
  %0 = input() {name="x"} : float32[3]
  %1 = dropout(%0) {rate=0.2, stream="head"} : float32[3]
  return y = %1
}`,
}

export const dropout: OpDef<'dropout'> = {
  name: 'dropout',
  level: 'model',
  arity: 1,
  attrs: {
    rate: custom('a number from 0 to below 1', (v) => typeof v === 'number' && v >= 0 && v < 1),
    per: withDefault(oneOf('element', 'sample'), 'element'),
    stream: text,
  },
  infer: floatUnary,
  evalRef: ({ inputs: [x] }) => [x.data],
  amp: ampAll('clear'),
  fusion: 'composite',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const dropoutVjp: OpVjp<'dropout'> = 'none'
