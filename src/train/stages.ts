/** Stage-wise training: smaller pictures and weaker regularisation first. The formulas are those of the EfficientNet reference. */
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import type { Stage } from './events.ts'

/** What changes from stage to stage. */
export interface StageSettings {
  readonly size?: number | undefined
  readonly dropout?: number | undefined
  readonly augmentation?: number | undefined
  readonly mixup?: number | undefined
}
export interface StagesOptions {
  readonly count: number
  /** Start of the interpolation. The first stage's pictures are already one step larger. */
  readonly from: StageSettings
  /** The settings of the last stage. */
  readonly to: StageSettings
}

/**
 * The stages of a run of `epochs`: floor(epochs / count) each, the last takes the rest. Picture sizes are floor(from + (to - from) (s+1)/count),
 * other settings are interpolated from `from` in the first stage to `to` in the last. A setting that only `to` has is constant.
 *
 * @throws EffuseError EF403
 * @example
 * stagesOf({ count: 4, from: { size: 128 }, to: { size: 300 } }, 100).map((stage) => stage.size) // [171, 214, 257, 300]
 */
export const stagesOf = (
  options: StagesOptions | undefined,
  epochs: number,
  throughout: StageSettings = {},
): readonly Stage[] => {
  const { count, from, to } = options ?? { count: 1, from: throughout, to: throughout }
  checkStages(count, from, to, epochs)
  const each = Math.floor(epochs / count)
  return Array.from({ length: count }, (_, index): Stage => {
    const isLast = index === count - 1
    const linear = (setting: 'dropout' | 'augmentation' | 'mixup'): number | undefined => {
      const [start, end] = [from[setting], to[setting] ?? throughout[setting]]
      if (start === undefined || end === undefined || count === 1) return end ?? start
      return start + ((end - start) * index) / (count - 1)
    }
    return {
      index,
      count,
      firstEpoch: each * index,
      epochs: isLast ? epochs - each * index : each,
      size: sizeAt(from.size, to.size ?? throughout.size, index, count),
      dropout: linear('dropout'),
      augmentation: linear('augmentation'),
      mixup: linear('mixup'),
    }
  })
}

const sizeAt = (from: number | undefined, to: number | undefined, index: number, count: number): number | undefined =>
  from === undefined || to === undefined ? (to ?? from) : Math.floor(from + ((to - from) * (index + 1)) / count)

/** The stage that an epoch belongs to. */
export const stageAt = (stages: readonly Stage[], epoch: number): Stage => {
  const found = stages.findLast((stage) => epoch >= stage.firstEpoch) ?? stages[0]
  if (found === undefined) throw new EffuseError({ code: 'EF901', message: 'a run without stages' })
  return found
}

const checkStages = (count: number, from: StageSettings, to: StageSettings, epochs: number): void => {
  const fault = (name: string, expects: string, value: unknown): EffuseError =>
    new EffuseError({ code: 'EF403', message: `stages.${name} must be ${expects}, got ${showGiven(value)}` })
  if (!Number.isSafeInteger(count) || count < 1) throw fault('count', 'a positive integer', count)
  if (count > epochs)
    throw new EffuseError({
      code: 'EF403',
      message: `${count} stages need at least ${count} epochs, got ${epochs}`,
      hint: 'an epoch belongs to one stage: use fewer stages or more epochs',
    })
  for (const [end, settings] of [
    ['from', from],
    ['to', to],
  ] as const) {
    const { size, dropout, augmentation, mixup } = settings
    if (size !== undefined && (!Number.isSafeInteger(size) || size < 1))
      throw fault(`${end}.size`, 'a positive integer', size)
    if (dropout !== undefined && !(dropout >= 0 && dropout < 1))
      throw fault(`${end}.dropout`, 'a number from 0 to below 1', dropout)
    if (augmentation !== undefined && !(augmentation >= 0 && augmentation < Infinity))
      throw fault(`${end}.augmentation`, 'a number of at least 0', augmentation)
    if (mixup !== undefined && !(mixup >= 0 && mixup < Infinity))
      throw fault(`${end}.mixup`, 'a number of at least 0', mixup)
  }
}
