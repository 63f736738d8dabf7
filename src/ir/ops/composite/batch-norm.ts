import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import {
  batchNormCost,
  checkStatistics,
  epsilonSpec,
  momentumSpec,
  normalized,
  statisticsExample,
} from './batch-norm-shared.ts'

export const batchNormDoc: OpDoc = {
  summary:
    'Batch normalisation as a model declares it (Ioffe and Szegedy 2015), without a mode: x [...,C], scale, offset, moving mean, moving variance [C] -> [...,C].',
  constraints: [
    'C1: a float x of rank 1 or more',
    "C2: scale, offset, mean and variance are float32 [C], C being x's last size",
    'C3: means what batchNormInference does until a mode is chosen',
  ],
  example: /* @__PURE__ */ statisticsExample(
    'batchNorm',
    ['scale', 'offset', 'mean', 'variance'],
    'epsilon=0.001, momentum=0.99',
  ),
}

export const batchNorm: OpDef<'batchNorm'> = {
  name: 'batchNorm',
  level: 'model',
  arity: 5,
  attrs: { epsilon: epsilonSpec, momentum: momentumSpec },
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
  amp: [{ class: 'infer', inputs: [0], outputs: [0] }],
  fusion: 'composite',
  tolerance: 'composite',
  cost: batchNormCost,
}

export const batchNormVjp: OpVjp<'batchNorm'> = 'none'
