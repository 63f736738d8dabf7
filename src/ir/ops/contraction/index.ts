import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { ContractionOps } from '../../signatures.ts'
import { conv2dFilterGradient, conv2dFilterGradientDoc, conv2dFilterGradientVjp } from './conv2d-filter-gradient.ts'
import { conv2dInputGradient, conv2dInputGradientDoc, conv2dInputGradientVjp } from './conv2d-input-gradient.ts'
import { conv2d, conv2dDoc, conv2dVjp } from './conv2d.ts'
import {
  depthwiseConv2dFilterGradient,
  depthwiseConv2dFilterGradientDoc,
  depthwiseConv2dFilterGradientVjp,
} from './depthwise-conv2d-filter-gradient.ts'
import {
  depthwiseConv2dInputGradient,
  depthwiseConv2dInputGradientDoc,
  depthwiseConv2dInputGradientVjp,
} from './depthwise-conv2d-input-gradient.ts'
import { depthwiseConv2d, depthwiseConv2dDoc, depthwiseConv2dVjp } from './depthwise-conv2d.ts'
import { matmul, matmulDoc, matmulVjp } from './matmul.ts'

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

export const contractionDocs: { readonly [K in keyof ContractionOps]: OpDoc } = {
  conv2dFilterGradient: conv2dFilterGradientDoc,
  conv2dInputGradient: conv2dInputGradientDoc,
  conv2d: conv2dDoc,
  depthwiseConv2dFilterGradient: depthwiseConv2dFilterGradientDoc,
  depthwiseConv2dInputGradient: depthwiseConv2dInputGradientDoc,
  depthwiseConv2d: depthwiseConv2dDoc,
  matmul: matmulDoc,
}

export const contractionVjps: { readonly [K in keyof ContractionOps]: OpVjp<K> } = {
  conv2dFilterGradient: conv2dFilterGradientVjp,
  conv2dInputGradient: conv2dInputGradientVjp,
  conv2d: conv2dVjp,
  depthwiseConv2dFilterGradient: depthwiseConv2dFilterGradientVjp,
  depthwiseConv2dInputGradient: depthwiseConv2dInputGradientVjp,
  depthwiseConv2d: depthwiseConv2dVjp,
  matmul: matmulVjp,
}
