/**
 * The lowering of each op for tfjs on WebGPU. Products and forward convolutions use tfjs's kernels. All other ops are effuse's WGSL programs, because
 * JavaScript cannot access the memory, and a step that reads back must wait for the device.
 */
import { randomUniform } from '../../../ir/philox.ts'
import type { ContractionOps, SourceOps } from '../../../ir/signatures.ts'
import { elements } from '../../../ir/types.ts'
import { lowerConv, lowerDepthwise } from '../lower/contraction.ts'
import { lowerFusion } from '../lower/fusion.ts'
import { modelLowering } from '../lower/model-form.ts'
import { made } from '../lower/shared.ts'
import { sourceLowering } from '../lower/source.ts'
import { lowerComposite } from '../lower/users-kernel.ts'
import type { Lowering, LoweringTable } from '../lowering.ts'
import { compositeLowering } from './composite.ts'
import { elementwiseLowering } from './elementwise.ts'
import {
  lowerConvFilterGradient,
  lowerConvInputGradient,
  lowerDepthwiseFilterGradient,
  lowerDepthwiseInputGradient,
} from './gradients.ts'
import { movementLowering } from './movement.ts'
import { poolingLowering } from './pooling.ts'
import { lowerMatmul } from './product.ts'
import { reductionLowering } from './reduction.ts'
import { trainingLowering } from './training.ts'

const sources: { readonly [K in keyof SourceOps]: Lowering<K> } = {
  ...sourceLowering,
  // The host computes these few numbers, the same as on other backends, and uploads them before the step.
  randomUniform: ({ attrs: { stream }, types: [type], planner }) => {
    const count = elements(type.shape)
    return [
      made(
        planner.fed('philox', type, (cx) => randomUniform({ ...cx, stream, count })),
        type,
      ),
    ]
  },
}

const contractions: { readonly [K in keyof ContractionOps]: Lowering<K> } = {
  matmul: lowerMatmul,
  conv2d: lowerConv,
  conv2dInputGradient: lowerConvInputGradient,
  conv2dFilterGradient: lowerConvFilterGradient,
  depthwiseConv2d: lowerDepthwise,
  depthwiseConv2dInputGradient: lowerDepthwiseInputGradient,
  depthwiseConv2dFilterGradient: lowerDepthwiseFilterGradient,
}

export const webgpuLowering: LoweringTable = {
  ...sources,
  ...elementwiseLowering,
  ...movementLowering,
  ...reductionLowering,
  ...contractions,
  ...poolingLowering,
  ...modelLowering,
  ...compositeLowering,
  ...trainingLowering,
  fusion: lowerFusion,
  composite: lowerComposite,
}
