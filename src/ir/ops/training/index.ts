import type { CompositeDef, OpDoc, OpVjp } from '../../op-def.ts'
import type { TrainingOps } from '../../signatures.ts'
import { adam, adamDoc, adamVjp } from './adam.ts'
import { allFinite, allFiniteDoc, allFiniteVjp } from './all-finite.ts'
import { ema, emaDoc, emaVjp } from './ema.ts'
import { lossScaleUpdate, lossScaleUpdateDoc, lossScaleUpdateVjp } from './loss-scale-update.ts'
import { rmsprop, rmspropDoc, rmspropVjp } from './rmsprop.ts'
import { sgd, sgdDoc, sgdVjp } from './sgd.ts'

/** Ops of the training step, each with its guard. */
export const trainingOps: { readonly [K in keyof TrainingOps]: CompositeDef<K> } = {
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

export const trainingVjps: { readonly [K in keyof TrainingOps]: OpVjp<K> } = {
  adam: adamVjp,
  allFinite: allFiniteVjp,
  ema: emaVjp,
  lossScaleUpdate: lossScaleUpdateVjp,
  rmsprop: rmspropVjp,
  sgd: sgdVjp,
}
