import type { OpDef } from '../../op-def.ts'
import { sameType, showType } from '../../types.ts'
import { batchAxes, batchNormCost, channelSums, checkStatistics, rowsOf } from './batch-norm-shared.ts'

export const batchNormGradient: OpDef<'batchNormGradient'> = {
  name: 'batchNormGradient',
  summary:
    'Gradient of batchNormTraining by y: x [...,C], scale, mean, inverse deviation [C], dy [...,C] -> dx [...,C], dscale, doffset [C].',
  constraints: [
    'C1: a float x of rank 1 at least',
    "C2: scale, mean and inverse deviation are float32 [C], C being x's last size",
    'C3: dy has the type of x',
    'C4: to differentiate again, decompose first',
  ],
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
  vjp: 'none',
  decompose: ({ inputs: [x, scale, mean, inverse, dy], b }) => {
    const rows = rowsOf(x.shape)
    const [wide, g] = [b.cast(x, 'float32'), b.cast(dy, 'float32')]
    const hat = b.mul(b.sub(wide, mean), inverse)
    const doffset = b.reduceSum(g, batchAxes(x.shape))
    const dscale = b.reduceSum(b.mul(g, hat), batchAxes(x.shape))
    const inner = b.sub(b.sub(g, b.div(doffset, rows)), b.mul(hat, b.div(dscale, rows)))
    return [b.cast(b.mul(inner, b.mul(scale, inverse)), x.dtype), dscale, doffset]
  },
  amp: [{ class: 'wide', inputs: [0, 4], outputs: [0] }],
  fusion: 'composite',
  tolerance: 'composite',
  cost: batchNormCost,
  example: [
    'graph example {',
    '  %0 = input() {name="x"} : float32[4,3]',
    '  %1 = input() {name="scale"} : float32[3]',
    '  %2 = input() {name="mean"} : float32[3]',
    '  %3 = input() {name="inverse"} : float32[3]',
    '  %4 = input() {name="dy"} : float32[4,3]',
    '  %5:3 = batchNormGradient(%0, %1, %2, %3, %4) : float32[4,3], float32[3], float32[3]',
    '  return dx = %5.0, dscale = %5.1, doffset = %5.2',
    '}',
  ].join('\n'),
}
