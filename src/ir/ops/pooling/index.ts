import type { OpDef, OpDoc } from '../../op-def.ts'
import type { PoolingOps } from '../../signatures.ts'
import { avgPool2dGradient, avgPool2dGradientDoc } from './avg-pool2d-gradient.ts'
import { avgPool2d, avgPool2dDoc } from './avg-pool2d.ts'
import { maxPool2dGradient, maxPool2dGradientDoc } from './max-pool2d-gradient.ts'
import { maxPool2d, maxPool2dDoc } from './max-pool2d.ts'

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
