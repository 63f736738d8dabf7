import type { CompositeDef, OpDoc, OpVjp } from '../../op-def.ts'
import { sameType, showType } from '../../types.ts'
import type { Value } from '../../value.ts'
import { batchAxes, batchNormCost, channelSums, checkStatistics, rowsOf, sumOf } from './batch-norm-shared.ts'

export const batchNormGradientDoc: OpDoc = {
  summary:
    'Gradient of batchNormTraining by y: x [...,C], scale, mean, inverse deviation [C], dy [...,C] -> dx [...,C], dscale, doffset [C].',
  constraints: [
    'C1: a float x of rank 1 or more',
    "C2: scale, mean and inverse deviation are float32 [C], C being x's last size",
    'C3: dy has the type of x',
    'C4: mean and inverse deviation are independent operands: the formula of dx includes their dependence on x',
    'C5: half x and dy are computed in float32',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[4,3]
  %1 = input() {name="scale"} : float32[3]
  %2 = input() {name="mean"} : float32[3]
  %3 = input() {name="inverse"} : float32[3]
  %4 = input() {name="dy"} : float32[4,3]
  %5:3 = batchNormGradient(%0, %1, %2, %3, %4) : float32[4,3], float32[3], float32[3]
  return dx = %5.0, dscale = %5.1, doffset = %5.2
}`,
}

export const batchNormGradient: CompositeDef<'batchNormGradient'> = {
  name: 'batchNormGradient',
  level: 'composite',
  arity: 5,
  attrs: {},
  infer: ([x, scale, mean, inverse, dy]) =>
    checkStatistics(x, [scale, mean, inverse]) ??
    (sameType(x, dy) ? [x, scale, scale] : `C3: dy must be ${showType(x)}, got ${showType(dy)}`),
  evalRef: ({ inputs: [x, scale, mean, inverse, dy] }) => {
    const rows = rowsOf(x.shape)
    const channels = scale.data.length
    const hat = x.data.map((v, i) => (v - (mean.data[i % channels] as number)) * (inverse.data[i % channels] as number))
    const doffset = channelSums(dy, (g) => g)
    const dscale = channelSums(dy, (g, _c, i) => g * (hat[i] as number))
    const dx = dy.data.map((g, i) => {
      const c = i % channels
      return (
        (scale.data[c] as number) *
        (inverse.data[c] as number) *
        (g - (doffset[c] as number) / rows - ((hat[i] as number) * (dscale[c] as number)) / rows)
      )
    })
    return [dx, dscale, doffset]
  },
  decompose: ({ inputs: [x, scale, mean, inverse, dy], b }) => {
    const rows = rowsOf(x.shape)
    const [wide, g] = [b.cast(x, 'float32'), b.cast(dy, 'float32')]
    // Multiplies the sums, not the elements, by the inverse deviation. The forward pass computes x - mean too, so CSE merges both.
    const centred = b.sub(wide, mean)
    const doffset = b.reduceSum(g, batchAxes(x.shape))
    const dscale = b.mul(b.reduceSum(b.mul(g, centred), batchAxes(x.shape)), inverse)
    const slope = b.mul(b.mul(dscale, inverse), 1 / rows)
    const inner = b.sub(b.sub(g, b.mul(doffset, 1 / rows)), b.mul(centred, slope))
    return [b.cast(b.mul(inner, b.mul(scale, inverse)), x.dtype), dscale, doffset]
  },
  amp: [{ class: 'wide', inputs: [0, 4], outputs: [0] }],
  fusion: 'composite',
  tolerance: 'composite',
  cost: batchNormCost,
}

// With h = (x - mean) * inverse, a = scale * inverse and n rows: dscale = sum(dy * h), doffset = sum(dy),
// dx = a * (dy - doffset / n - h * dscale / n). u, v and w are the gradients of the three.
export const batchNormGradientVjp: OpVjp<'batchNormGradient'> = ({
  outGrads: [u, v, w],
  inputs: [x, scale, mean, inverse, dy],
  outputs: [, dscale, doffset],
  b,
}) => {
  const rows = rowsOf(x.shape)
  const sum = (y: Value): Value => b.reduceSum(y, batchAxes(x.shape))
  const g = b.cast(dy, 'float32')
  const centred = b.sub(b.cast(x, 'float32'), mean)
  const hat = b.mul(centred, inverse)
  const byHat: Value[] = []
  const byDy: Value[] = []
  let byFactor: Value | null = null
  if (u !== null) {
    const factor = b.mul(scale, inverse)
    const wide = b.cast(u, 'float32')
    const [total, weighted] = [sum(wide), sum(b.mul(wide, hat))]
    const means = b.div(b.add(b.mul(total, doffset), b.mul(weighted, dscale)), rows)
    byFactor = b.sub(sum(b.mul(wide, g)), means)
    byHat.push(b.mul(b.add(b.mul(wide, dscale), b.mul(g, weighted)), b.mul(factor, -1 / rows)))
    byDy.push(b.mul(b.sub(b.sub(wide, b.div(total, rows)), b.mul(hat, b.div(weighted, rows))), factor))
  }
  if (v !== null) {
    byHat.push(b.mul(g, v))
    byDy.push(b.mul(hat, v))
  }
  if (w !== null) byDy.push(b.broadcast(w, x.shape))
  const [dhat, ddy] = [sumOf(b, byHat), sumOf(b, byDy)]
  const byX = dhat === null ? null : b.mul(dhat, inverse)
  const byInverse = [
    ...(byFactor === null ? [] : [b.mul(byFactor, scale)]),
    ...(dhat === null ? [] : [sum(b.mul(dhat, centred))]),
  ]
  return [
    byX === null ? null : b.cast(byX, x.dtype),
    byFactor === null ? null : b.mul(byFactor, inverse),
    byX === null ? null : b.neg(sum(byX)),
    sumOf(b, byInverse),
    ddy === null ? null : b.cast(ddy, dy.dtype),
  ]
}
