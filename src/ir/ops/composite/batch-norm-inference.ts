import type { CompositeDef, OpDoc, OpVjp } from '../../op-def.ts'
import {
  batchAxes,
  batchNormCost,
  checkStatistics,
  epsilonSpec,
  normalized,
  statisticsExample,
} from './batch-norm-shared.ts'

export const batchNormInferenceDoc: OpDoc = {
  summary:
    'Batch normalisation by given statistics: (x - mean) / sqrt(variance + epsilon) * scale + offset, x [...,C], the rest [C].',
  constraints: [
    'C1: a float x of rank 1 or more',
    "C2: scale, offset, mean and variance are float32 [C], C being x's last size",
    'C3: half x is computed in float32',
  ],
  example: /* @__PURE__ */ statisticsExample(
    'batchNormInference',
    ['scale', 'offset', 'mean', 'variance'],
    'epsilon=0.001',
  ),
}

export const batchNormInference: CompositeDef<'batchNormInference'> = {
  name: 'batchNormInference',
  level: 'composite',
  arity: 5,
  attrs: { epsilon: epsilonSpec },
  infer: ([x, ...vectors]) => checkStatistics(x, vectors) ?? [x],
  evalRef: ({ inputs: [x, scale, offset, mean, variance], attrs: { epsilon } }) => [
    normalized(
      x,
      scale,
      offset,
      mean,
      variance.data.map((v) => 1 / Math.sqrt(v + epsilon)),
    ),
  ],
  decompose: ({ inputs: [x, scale, offset, mean, variance], attrs: { epsilon }, b }) => {
    const factor = b.mul(scale, b.rsqrt(b.add(variance, epsilon)))
    const shift = b.sub(offset, b.mul(mean, factor))
    return [b.cast(b.add(b.mul(b.cast(x, 'float32'), factor), shift), x.dtype)]
  },
  amp: [{ class: 'infer', inputs: [0], outputs: [0] }],
  fusion: 'composite',
  tolerance: 'composite',
  cost: batchNormCost,
}

export const batchNormInferenceVjp: OpVjp<'batchNormInference'> = ({
  outGrads: [g],
  inputs: [x, scale, , mean, variance],
  attrs: { epsilon },
  b,
}) => {
  const inverse = b.rsqrt(b.add(variance, epsilon))
  const [dy, wide] = [b.cast(g, 'float32'), b.cast(x, 'float32')]
  const sum = b.reduceSum(dy, batchAxes(x.shape))
  const weighted = b.reduceSum(b.mul(dy, b.sub(wide, mean)), batchAxes(x.shape))
  return [
    b.cast(b.mul(dy, b.mul(scale, inverse)), x.dtype),
    b.mul(weighted, inverse),
    sum,
    b.neg(b.mul(sum, b.mul(scale, inverse))),
    b.mul(b.mul(weighted, scale), b.mul(b.mul(inverse, b.mul(inverse, inverse)), -0.5)),
  ]
}
