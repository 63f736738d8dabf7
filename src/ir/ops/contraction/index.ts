import type { OpDef } from '../../op-def.ts'
import type { ContractionOps } from '../../signatures.ts'
import { conv2dFilterGradient } from './conv2d-filter-gradient.ts'
import { conv2dInputGradient } from './conv2d-input-gradient.ts'
import { conv2d } from './conv2d.ts'
import { depthwiseConv2dFilterGradient } from './depthwise-conv2d-filter-gradient.ts'
import { depthwiseConv2dInputGradient } from './depthwise-conv2d-input-gradient.ts'
import { depthwiseConv2d } from './depthwise-conv2d.ts'
import { matmul } from './matmul.ts'

/** Contractions: products summed over a shared axis. */
export const contractionOps: { readonly [K in keyof ContractionOps]: OpDef<K> } = {
  conv2dFilterGradient,
  conv2dInputGradient,
  conv2d,
  depthwiseConv2dFilterGradient,
  depthwiseConv2dInputGradient,
  depthwiseConv2d,
  matmul,
}
