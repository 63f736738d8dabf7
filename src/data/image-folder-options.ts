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

/** Changes a training picture, [height,width,3], after crop, flip and resize; returns one of the same size. */
export type Augment = (
  picture: Picture,
  options: {
    /** The request's `augmentation`; undefined if it has none. */
    readonly strength: number | undefined
    /** Random numbers for this row. A function that uses no other randomness makes runs repeatable. */
    readonly draws: Draws
  },
) => Picture | Promise<Picture>

export interface ImageFolderOptions extends ReadingOptions {
  /** Height and width for requests that have none. Default 224. */
  readonly size?: number | readonly [height: number, width: number] | undefined
  /** 3 (default): RGB; 1: grey. */
  readonly channels?: 1 | 3 | undefined
  /** The share of each class to hold out for testing, above 0 and below 1. Required if the folder is not split. */
  readonly holdout?: number | undefined
  /** The seed that selects the pictures to hold out. Default 0. */
  readonly holdoutSeed?: number | undefined
  /**
   * The part of a training picture to use. 'box' (default): a random box; 'center': the central square, as in readImage(); 'none': the whole picture,
   * with another aspect ratio if necessary. Test pictures are whole with 'none', else their central square.
   */
  readonly crop?: FolderCrop | undefined
  /**
   * The smallest and the largest share of a picture that a random box covers, with `crop: 'box'`. Default: the reference's [0.05, 1], of which it uses
   * only shares of at least 0.1; for sizes below 122 pixels [1 - size / 128, 1].
   */
  readonly cropArea?: readonly [least: number, greatest: number] | undefined
  /** Whether to mirror each training picture with probability 1/2. Default true. */
  readonly flip?: boolean | undefined
  /** 'triangle' (default), or the reference's 'bilinear'. */
  readonly filter?: ResizeFilter | undefined
  /** A further change of training pictures; `augmentation` of a request is its strength. */
  readonly augment?: Augment | undefined
  /** The number of pictures to read and decode concurrently. Default: four per core, so that no core waits while others decode, resize or copy. */
  readonly concurrency?: number | undefined
  /** The number of threads that prepare pictures while this one computes. It does not affect the results. Default: half of the cores, at least 1. */
  readonly workers?: number | undefined
  /** The number of batches to prepare ahead. Default 2. */
  readonly prefetch?: number | undefined
  /** The number of damaged pictures that each part may have; more are an error. Default 10. */
  readonly maxCorrupt?: number | undefined
  /** Called once for each damaged picture. Default: a warning of the process. */
  readonly onSkip?: ((path: string, reason: string) => void) | undefined
  /** Called once for each notice: files that are not read, colour profiles that are not applied. Default: a warning of the process. */
  readonly onNotice?: ((notice: string) => void) | undefined
}

type Filled =
  | ('channels' | 'crop' | 'flip' | 'filter' | 'onSkip' | 'onNotice')
  | ('concurrency' | 'workers' | 'prefetch' | 'maxCorrupt')
/** The settings for batches, with defaults. */
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

/** @throws EffuseError EF403 naming the option, the expected and the given value */
export const settingsOf = (options: ImageFolderOptions): FolderSettings => {
  checkRecord('imageFolder()', '', options, checks)
  const { size = 224, crop = 'box', cropArea } = options
  if (cropArea !== undefined && crop !== 'box')
    throw new EffuseError({
      code: 'EF403',
      message: `option "cropArea" needs crop: 'box', got crop: '${crop}'`,
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
  process.emitWarning(`skipped a damaged picture: ${reason}`, { type: 'EffuseWarning', code: 'EF506' })

const notify = (notice: string): void => process.emitWarning(notice, { type: 'EffuseWarning' })
