import type { OpDef, OpDoc } from '../../op-def.ts'
import type { TrainingOps } from '../../signatures.ts'
import { adam, adamDoc } from './adam.ts'
import { allFinite, allFiniteDoc } from './all-finite.ts'
import { ema, emaDoc } from './ema.ts'
import { lossScaleUpdate, lossScaleUpdateDoc } from './loss-scale-update.ts'
import { rmsprop, rmspropDoc } from './rmsprop.ts'
import { sgd, sgdDoc } from './sgd.ts'

/** Ops of the training step, each with its guard. */
export const trainingOps: { readonly [K in keyof TrainingOps]: OpDef<K> } = {
  adam,
  allFinite,
  ema,
  lossScaleUpdate,
  rmsprop,
  sgd,
}

export const trainingDocs: { readonly [K in keyof TrainingOps]: OpDoc } = {
  adam: adamDoc,
  allFinite: allFiniteDoc,
  ema: emaDoc,
  lossScaleUpdate: lossScaleUpdateDoc,
  rmsprop: rmspropDoc,
  sgd: sgdDoc,
}
