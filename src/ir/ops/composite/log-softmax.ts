import { natural } from '../../attrs.ts'
import { ampAll, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { axisExample, axisTypes, logSoftmaxOf, mapLines } from './softmax-shared.ts'

export const logSoftmaxDoc: OpDoc = {
  summary: 'x - log(sum(exp(x))) along an axis.',
  constraints: [
    'C1: a float operand',
    'C2: the axis exists',
    'C3: the largest element is subtracted first, so nothing overflows',
    'C4: half operands are computed in float32',
    'C5: NaN, +infinity or nothing but -infinity makes its whole line NaN; -infinity beside finite numbers gives -infinity',
  ],
  example: /* @__PURE__ */ axisExample('logSoftmax'),
}

export const logSoftmax: CompositeDef<'logSoftmax'> = {
  name: 'logSoftmax',
  level: 'composite',
  arity: 1,
  attrs: { axis: natural },
  infer: ([x], { axis }) => axisTypes(x, axis),
  evalRef: ({ inputs: [x], attrs: { axis } }) => [mapLines(x, axis, logSoftmaxOf)],
  decompose: ({ inputs: [x], attrs: { axis }, b }) => {
    const wide = b.cast(x, 'float32')
    const shifted = b.sub(wide, b.reduceMax(wide, [axis], true))
    return [b.cast(b.sub(shifted, b.log(b.reduceSum(b.exp(shifted), [axis], true))), x.dtype)]
  },
  amp: ampAll('wide'),
  fusion: 'composite',
  tolerance: 'transcendental',
  cost: ([x]) => ({ multiplyAdds: 0, operations: 5 * elements(x.shape) }),
}

export const logSoftmaxVjp: OpVjp<'logSoftmax'> = ({ outGrads: [g], outputs: [y], attrs: { axis }, b }) => [
  b.sub(g, b.mul(b.exp(y), b.reduceSum(g, [axis], true))),
]
