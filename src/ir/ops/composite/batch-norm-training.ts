import type { CompositeDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { Value } from '../../value.ts'
import {
  batchAxes,
  batchNormCost,
  channelSums,
  checkStatistics,
  epsilonSpec,
  normalized,
  rowsOf,
  sumOf,
} from './batch-norm-shared.ts'

export const batchNormTrainingDoc: OpDoc = {
  summary:
    'Batch normalisation by the statistics of the batch: x [...,C], scale, offset [C] -> y [...,C], mean, biased variance, inverse deviation [C].',
  constraints: [
    'C1: a float x of rank 1 or more',
    "C2: scale and offset are float32 [C], C being x's last size",
    'C3: statistics are float32, by two passes or a formula as stable',
    'C4: inverse deviation = 1 / sqrt(variance + epsilon)',
  ],
  example: `graph example {
  %0 = input() {name="x"} : float32[4,3]
  %1 = input() {name="scale"} : float32[3]
  %2 = input() {name="offset"} : float32[3]
  %3:4 = batchNormTraining(%0, %1, %2) {epsilon=0.001} : float32[4,3], float32[3], float32[3], float32[3]
  return y = %3.0
}`,
}

export const batchNormTraining: CompositeDef<'batchNormTraining'> = {
  name: 'batchNormTraining',
  level: 'composite',
  arity: 3,
  attrs: { epsilon: epsilonSpec },
  infer: ([x, scale, offset]) => checkStatistics(x, [scale, offset]) ?? [x, scale, scale, scale],
  evalRef: ({ inputs: [x, scale, offset], attrs: { epsilon } }) => {
    const rows = rowsOf(x.shape)
    const mean = channelSums(x, (v) => v / rows)
    const variance = channelSums(x, (v, c) => (v - (mean[c] as number)) ** 2 / rows)
    const inverse = variance.map((v) => 1 / Math.sqrt(v + epsilon))
    return [normalized(x, scale, offset, { data: mean }, inverse), mean, variance, inverse]
  },
  decompose: ({ inputs: [x, scale, offset], attrs: { epsilon }, b }) => {
    const wide = b.cast(x, 'float32')
    const mean = b.mean(wide, batchAxes(x.shape))
    const centred = b.sub(wide, mean)
    const variance = b.mean(b.mul(centred, centred), batchAxes(x.shape))
    const inverse = b.rsqrt(b.add(variance, epsilon))
    return [b.cast(b.add(b.mul(centred, b.mul(inverse, scale)), offset), x.dtype), mean, variance, inverse]
  },
  amp: [{ class: 'wide', inputs: [0], outputs: [0] }],
  fusion: 'composite',
  tolerance: 'composite',
  cost: batchNormCost,
}

export const batchNormTrainingVjp: OpVjp<'batchNormTraining'> = ({
  outGrads: [g, gMean, gVariance, gInverse],
  inputs: [x, scale],
  outputs: [, mean, , inverse],
  b,
}) => {
  const [dx, dscale, doffset] =
    g === null
      ? [null, null, null]
      : (b.emit('batchNormGradient', [x, scale, mean, inverse, g], {}) as readonly [Value, Value, Value])
  // inverse = (variance + epsilon)^(-1/2), so it flows into the variance.
  const viaInverse = gInverse === null ? null : b.mul(gInverse, b.mul(b.mul(inverse, b.mul(inverse, inverse)), -0.5))
  const toVariance = gVariance === null ? viaInverse : viaInverse === null ? gVariance : b.add(gVariance, viaInverse)
  const rows = rowsOf(x.shape)
  const parts = [
    ...(dx === null ? [] : [b.cast(dx, 'float32')]),
    ...(gMean === null ? [] : [b.broadcast(b.div(gMean, rows), x.shape)]),
    ...(toVariance === null ? [] : [b.mul(b.sub(b.cast(x, 'float32'), mean), b.mul(toVariance, 2 / rows))]),
  ]
  const sum = sumOf(b, parts)
  return [sum === null ? null : b.cast(sum, x.dtype), dscale, doffset]
}
