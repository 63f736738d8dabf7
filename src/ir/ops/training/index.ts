import type { OpDef } from '../../op-def.ts'
import type { TrainingOps } from '../../signatures.ts'
import { adam } from './adam.ts'
import { allFinite } from './all-finite.ts'
import { ema } from './ema.ts'
import { lossScaleUpdate } from './loss-scale-update.ts'
import { rmsprop } from './rmsprop.ts'
import { sgd } from './sgd.ts'

/** Ops of the training step, each with its guard. */
export const trainingOps: { readonly [K in keyof TrainingOps]: OpDef<K> } = {
  adam,
  allFinite,
  ema,
  lossScaleUpdate,
  rmsprop,
  sgd,
}
