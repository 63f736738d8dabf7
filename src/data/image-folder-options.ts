/** The options of imageFolder(): types, defaults and checks. */
import { type Check, checkRecord, isNatural, flag, natural, count } from '../ir/check-record.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { availableParallelism } from 'node:os'
import type { Picture } from './picture.ts'
import { type Reading, readingChecks, readingOf, type ReadingOptions } from './read-picture.ts'
import type { Draws } from './draws.ts'
import { type FolderCrop, isCropArea } from '../pixels/box.ts'
import { pictureChecks } from '../pixels/picture-options.ts'
import { isSize } from '../pixels/size.ts'
import type { ResizeFilter } from '../pixels/resample.ts'

/** Changes a training picture, [height,width,3], after crop, flip and resize; gives one of the same size. */
export type Augment = (
  picture: Picture,
  options: {
    /** The request's `augmentation`; undefined where it has none. */
    readonly strength: number | undefined
    /** Random numbers for this row alone: with no others, a run can be repeated. */
    readonly draws: Draws
  },
) => Picture | Promise<Picture>

export interface ImageFolderOptions extends ReadingOptions {
  /** Height and width where a request has none. Default 224. */
  readonly size?: number | readonly [height: number, width: number] | undefined
  /** 3 (default): RGB; 1: grey. */
  readonly channels?: 1 | 3 | undefined
  /** Share of each class held out for testing, above 0 and below 1; needed where the folder is not split already. */
  readonly holdout?: number | undefined
  /** Which pictures are held out. Default 0. */
  readonly holdoutSeed?: number | undefined
  /**
   * Which part of a picture is used. In training 'box' (default): a random box; 'center': the central square, as in readImage(); 'none': the
   * whole picture, squeezed. Pictures to test with are whole with 'none', else their centre.
   */
  readonly crop?: FolderCrop | undefined
  /**
   * Least and greatest share of a picture that a random box covers, with `crop: 'box'`. Default: the reference's [0.05, 1], of which it uses no
   * less than 0.1; for sizes below 122 pixels [1 - size / 128, 1].
   */
  readonly cropArea?: readonly [least: number, greatest: number] | undefined
  /** Training pictures are mirrored half of the time. Default true. */
  readonly flip?: boolean | undefined
  /** 'triangle' (default), or the reference's 'bilinear'. */
  readonly filter?: ResizeFilter | undefined
  /** Changes training pictures further; `augmentation` of a request is its strength. */
  readonly augment?: Augment | undefined
  /** Pictures read and decoded at once. Default: four for each of the processor's cores, so that no core waits while others decode, resize or copy. */
  readonly concurrency?: number | undefined
  /** Threads that prepare pictures while this one computes; 0: none. What comes out does not depend on it. Default: half of the cores, at least 1. */
  readonly workers?: number | undefined
  /** Batches prepared ahead. Default 2. */
  readonly prefetch?: number | undefined
  /** Damaged pictures that each part may have; the next one is an error. Default 10. */
  readonly maxCorrupt?: number | undefined
  /** Told of each damaged picture once. Default: a warning of the process. */
  readonly onSkip?: ((path: string, reason: string) => void) | undefined
  /** Told once each of what is odd with the data and nothing fails of: files that are not read, profiles that are not heeded. Default: a warning of the process. */
  readonly onNotice?: ((notice: string) => void) | undefined
}

type Filled =
  | ('channels' | 'crop' | 'flip' | 'filter' | 'onSkip' | 'onNotice')
  | ('concurrency' | 'workers' | 'prefetch' | 'maxCorrupt')
/** All that batches need, defaults filled in. */
export interface FolderSettings extends Readonly<{ [K in Filled]: NonNullable<ImageFolderOptions[K]> }>, Reading {
  readonly size: readonly [number, number]
  readonly cropArea: readonly [number, number] | undefined
  readonly augment: Augment | undefined
}

const isFunction = (v: unknown): boolean => typeof v === 'function'

const checks: { readonly [K in keyof Required<ImageFolderOptions>]: Check } = {
  size: ['a positive integer, or [height, width]', (v) => isSize(typeof v === 'number' ? [v, v] : v)],
  channels: pictureChecks.channels,
  holdout: ['a number above 0 and below 1', (v) => typeof v === 'number' && v > 0 && v < 1],
  holdoutSeed: ['an integer from 0 to 2^32 - 1', (v) => isNatural(v) && Number(v) < 2 ** 32],
  crop: ["'box', 'center' or 'none'", (v) => v === 'box' || v === 'center' || v === 'none'],
  cropArea: ['[least, greatest], above 0 and up to 1, the least not above the greatest', isCropArea],
  flip: flag,
  filter: pictureChecks.filter,
  augment: ['a function from picture to picture', isFunction],
  ...readingChecks,
  concurrency: count,
  workers: natural,
  prefetch: count,
  maxCorrupt: ['an integer of at least 0, or Infinity', (v) => isNatural(v) || v === Number.POSITIVE_INFINITY],
  onSkip: ['a function of path and reason', isFunction],
  onNotice: ['a function of a text', isFunction],
}

/** @throws EffuseError EF403 naming the option, what it takes and what came. */
export const settingsOf = (options: ImageFolderOptions): FolderSettings => {
  checkRecord('imageFolder()', '', options, checks)
  const { size = 224, crop = 'box', cropArea } = options
  if (cropArea !== undefined && crop !== 'box')
    throw new EffuseError({
      code: 'EF403',
      message: `option "cropArea" goes with crop: 'box', got crop: '${crop}'`,
      hint: 'leave one of the two out',
    })
  return {
    ...readingOf(options),
    size: typeof size === 'number' ? [size, size] : size,
    channels: options.channels ?? 3,
    crop,
    cropArea,
    flip: options.flip ?? true,
    filter: options.filter ?? 'triangle',
    augment: options.augment,
    workers: options.workers ?? Math.max(1, Math.floor(availableParallelism() / 2)),
    concurrency: options.concurrency ?? 4 * availableParallelism(),
    prefetch: options.prefetch ?? 2,
    maxCorrupt: options.maxCorrupt ?? 10,
    onSkip: options.onSkip ?? warn,
    onNotice: options.onNotice ?? notify,
  }
}

const warn = (_path: string, reason: string): void =>
  process.emitWarning(`left out a damaged picture: ${reason}`, { type: 'EffuseWarning', code: 'EF506' })

const notify = (notice: string): void => process.emitWarning(notice, { type: 'EffuseWarning' })
