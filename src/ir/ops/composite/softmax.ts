import { natural } from '../../attrs.ts'
import { ampAll, type CompositeDef, type OpDoc, type OpVjp } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { axisExample, axisTypes, mapLines } from './softmax-shared.ts'

export const softmaxDoc: OpDoc = {
  summary: 'exp(x) over its sum along an axis.',
  constraints: [
    'C1: a float operand',
    'C2: the axis exists',
    'C3: the largest element is subtracted first, so nothing overflows',
    'C4: half operands are computed in float32',
    'C5: NaN, +infinity or nothing but -infinity makes its whole line NaN; -infinity beside finite numbers gives 0',
  ],
  example: /* @__PURE__ */ axisExample('softmax'),
}

export const softmax: CompositeDef<'softmax'> = {
  name: 'softmax',
  level: 'composite',
  arity: 1,
  attrs: { axis: natural },
  infer: ([x], { axis }) => axisTypes(x, axis),
  evalRef: ({ inputs: [x], attrs: { axis } }) => [
    mapLines(x, axis, (line) => {
      const top = line.reduce((a, b) => Math.max(a, b), -Infinity)
      const powers = line.map((v) => Math.exp(v - top))
      const sum = powers.reduce((a, b) => a + b, 0)
      return powers.map((v) => v / sum)
    }),
  ],
  decompose: ({ inputs: [x], attrs: { axis }, b }) => {
    const wide = b.cast(x, 'float32')
    const powers = b.exp(b.sub(wide, b.reduceMax(wide, [axis], true)))
    return [b.cast(b.div(powers, b.reduceSum(powers, [axis], true)), x.dtype)]
  },
  amp: ampAll('wide'),
  fusion: 'composite',
  tolerance: 'transcendental',
  cost: ([x]) => ({ multiplyAdds: 0, operations: 5 * elements(x.shape) }),
}

export const softmaxVjp: OpVjp<'softmax'> = ({ outGrads: [g], outputs: [y], attrs: { axis }, b }) => {
  const weighted = b.mul(g, y)
  return [b.sub(weighted, b.mul(y, b.reduceSum(weighted, [axis], true)))]
}
