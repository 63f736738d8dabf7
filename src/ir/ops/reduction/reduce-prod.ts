import { ampAll, type OpDef } from '../../op-def.ts'
import { elements } from '../../types.ts'
import { fold, reduceAttrSpecs, reduceExample, reduceTypes, spread } from './shared.ts'

export const reduceProd: OpDef<'reduceProd'> = {
  name: 'reduceProd',
  summary: 'Product over axes.',
  constraints: [
    'C1: ascending axes that exist',
    'C2: a numeric operand',
    'C3: order free; int32 wraps around',
    'C4: the gradient is right at zeros too',
  ],
  level: 'primitive',
  arity: 1,
  attrs: reduceAttrSpecs,
  infer: ([x], attrs) => reduceTypes(x, attrs, (dtype) => dtype !== 'bool', 'a numeric'),
  evalRef: ({ inputs: [x], attrs: { axes } }) => [
    fold(x, axes, 1, x.dtype === 'int32' ? Math.imul : (product, v) => product * v),
  ],
  // The product of the others: y / x without zeros; with one zero it is the product of the rest there and 0 elsewhere; with more it is 0.
  vjp: ({ outGrads: [g], inputs: [x], attrs: { axes }, b }) => {
    const isZero = b.compare('eq', x, 0)
    const zeros = spread(b, b.reduceSum(b.cast(isZero, x.dtype), axes), x, axes)
    const filled = b.select(isZero, 1, x)
    const rest = spread(b, b.emit1('reduceProd', [filled], { axes, keepDims: false }), x, axes)
    const withoutZeros = b.div(rest, filled)
    const withOneZero = b.select(isZero, rest, 0)
    const others = b.select(
      b.compare('eq', zeros, 0),
      withoutZeros,
      b.select(b.compare('eq', zeros, 1), withOneZero, 0),
    )
    return [b.mul(spread(b, g, x, axes), others)]
  },
  amp: ampAll('deny'),
  fusion: 'reduction',
  tolerance: 'accumulation',
  cost: ([x]) => ({ multiplyAdds: 0, operations: elements(x.shape) }),
  example: reduceExample('reduceProd'),
}
