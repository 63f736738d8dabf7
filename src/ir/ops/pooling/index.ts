import type { OpDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { PoolingOps } from '../../signatures.ts'
import { avgPool2dGradient, avgPool2dGradientDoc, avgPool2dGradientVjp } from './avg-pool2d-gradient.ts'
import { avgPool2d, avgPool2dDoc, avgPool2dVjp } from './avg-pool2d.ts'
import { maxPool2dGradient, maxPool2dGradientDoc, maxPool2dGradientVjp } from './max-pool2d-gradient.ts'
import { maxPool2d, maxPool2dDoc, maxPool2dVjp } from './max-pool2d.ts'

/** Pooling ops. */
export const poolingOps: { readonly [K in keyof PoolingOps]: OpDef<K> } = {
  avgPool2dGradient,
  avgPool2d,
  maxPool2dGradient,
  maxPool2d,
}

export const poolingDocs: { readonly [K in keyof PoolingOps]: OpDoc } = {
  avgPool2dGradient: avgPool2dGradientDoc,
  avgPool2d: avgPool2dDoc,
  maxPool2dGradient: maxPool2dGradientDoc,
  maxPool2d: maxPool2dDoc,
}

export const poolingVjps: { readonly [K in keyof PoolingOps]: OpVjp<K> } = {
  avgPool2dGradient: avgPool2dGradientVjp,
  avgPool2d: avgPool2dVjp,
  maxPool2dGradient: maxPool2dGradientVjp,
  maxPool2d: maxPool2dVjp,
}
