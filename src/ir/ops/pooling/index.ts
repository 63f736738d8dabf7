import type { OpDef } from '../../op-def.ts'
import type { PoolingOps } from '../../signatures.ts'
import { avgPool2dGradient } from './avg-pool2d-gradient.ts'
import { avgPool2d } from './avg-pool2d.ts'
import { maxPool2dGradient } from './max-pool2d-gradient.ts'
import { maxPool2d } from './max-pool2d.ts'

/** Pooling ops. */
export const poolingOps: { readonly [K in keyof PoolingOps]: OpDef<K> } = {
  avgPool2dGradient,
  avgPool2d,
  maxPool2dGradient,
  maxPool2d,
}
