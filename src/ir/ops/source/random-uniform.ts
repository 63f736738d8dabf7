import { sizes, text } from '../../attrs.ts'
import { elementwiseCost, type OpDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'

export const randomUniformDoc: OpDoc = {
  summary:
    'Random float32 in [0, 1): (bits >>> 8) * 2^-24 of Philox 4x32-10 (philox.ts), by seed, stream, run, replica and element.',
  constraints: ['C1: `stream` is the path that declares it; two nodes of one stream give the same numbers'],
  example: `graph example {
  %0 = randomUniform() {shape=[4], stream="dropout"} : float32[4]
  return y = %0
}`,
}

export const randomUniform: OpDef<'randomUniform'> = {
  name: 'randomUniform',
  level: 'source',
  arity: 0,
  attrs: { shape: sizes, stream: text },
  infer: (_inputs, { shape }) => [{ dtype: 'float32', shape }],
  evalRef: ({ attrs: { shape, stream }, cx }) => [cx.randomUniform(stream, elements(shape))],
  amp: [],
  fusion: 'random',
  tolerance: 'exact',
  cost: elementwiseCost,
}

export const randomUniformVjp: OpVjp<'randomUniform'> = 'zero'
