/** The data that a run names: the built-in digits, or a folder of pictures. */
import { digits } from '../../data/digits.ts'
import { imageFolder, testFolder } from '../../data/image-folder.ts'
import type { ImageFolderOptions } from '../../data/image-folder-options.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Signature } from '../../ir/value.ts'
import { digitsName, type Recipe } from '../../recipes/recipe.ts'
import type { NameOf } from '../../recipes/resolve.ts'
import type { Batch, DataSource } from '../../train/source.ts'
import { flagOf } from './flags.ts'

export interface OpenedData {
  readonly train: DataSource
  readonly test: DataSource
  /** Height and width of all its pictures; null if they differ. */
  readonly size: number | null
  readonly channels: number
}

type Cutting = Pick<Recipe, 'crop' | 'cropArea' | 'flip'>

export interface OpenDataOptions extends Pick<Recipe, 'data' | 'holdout'>, Partial<Cutting> {
  /** Channels of the model's input, if they are known. */
  readonly channels: number | undefined
  /** Names of settings for messages; default: their flags. */
  readonly nameOf?: NameOf
  /** Receives messages about damaged pictures and other irregularities of the data. */
  readonly say: (line: string) => void
}

/** @throws EffuseError EF404 (a package is missing), EF501, EF507 (the folder), EF403 (contradictory settings), EF701 (channels) */
export const openData = async (options: OpenDataOptions): Promise<OpenedData> => {
  const { data, channels } = options
  if (data === digitsName) return openDigits(options)
  const { train, test } = await imageFolder(data, folderOptions(options))
  return { train, test, size: null, channels: channels ?? 3 }
}

/** The test part of the data; for a folder that is not divided, all pictures. @throws EffuseError as openData() does */
export const openTestData = async (options: OpenDataOptions): Promise<DataSource> =>
  options.data === digitsName ? openDigits(options).test : testFolder(options.data, folderOptions(options))

const folderOptions = ({ holdout, crop, cropArea, flip, channels, say }: OpenDataOptions): ImageFolderOptions => {
  if (channels !== undefined && channels !== 1 && channels !== 3)
    throw new EffuseError({
      code: 'EF701',
      message: `pictures have 1 or 3 channels, but the model takes ${channels}`,
    })
  return {
    channels,
    holdout: holdout ?? undefined,
    crop: crop ?? undefined,
    cropArea: cropArea ?? undefined,
    flip: flip ?? undefined,
    onSkip: (_path, reason) => say(`note: a picture was skipped: ${reason}`),
    onNotice: (notice) => say(`note: ${notice}`),
  }
}

const openDigits = (options: OpenDataOptions): OpenedData => {
  checkForDigits(options)
  const { channels } = options
  const { train, test } = digits()
  const [side, , own] = train.size
  if (channels !== undefined && channels !== own)
    throw new EffuseError({
      code: 'EF701',
      message: `the digits have ${own} channel, but the model takes ${channels}`,
      hint: 'declare the model with inChannels: 1',
    })
  return { train, test, size: side, channels: own }
}

/** For digits, settings of folders may only have the values that digits always have: whole and never mirrored. @throws EffuseError EF403 */
const checkForDigits = ({ holdout, crop, cropArea, flip, nameOf = flagOf }: OpenDataOptions): void => {
  const held = 'every fifth digit is always held out'
  const whole = 'digits are never cropped or mirrored'
  const faults: readonly (readonly [isFault: boolean, key: keyof Recipe, why: string])[] = [
    [holdout !== null, 'holdout', held],
    [(crop ?? 'none') !== 'none', 'crop', whole],
    [(cropArea ?? null) !== null, 'cropArea', whole],
    [flip === true, 'flip', whole],
  ]
  for (const [isFault, key, why] of faults)
    if (isFault)
      throw new EffuseError({
        code: 'EF403',
        message: `${nameOf(key)} is for folders of pictures; ${why}`,
        hint: 'leave it out',
      })
}

/** Channels of a model's pictures; undefined for models with other inputs. */
export const channelsOf = ({ inputs }: { readonly inputs: Signature }): number | undefined => {
  const channels = inputs['image']?.rank === 4 ? (inputs['image'].shape as readonly unknown[])[3] : undefined
  return typeof channels === 'number' ? channels : undefined
}

/** A source whose epochs end after a number of updates. The source's order changes, so each epoch has other pictures. */
export const shortened = (
  source: DataSource,
  { stepsPerEpoch, batch, accumulate }: Pick<Recipe, 'stepsPerEpoch' | 'batch' | 'accumulate'>,
): DataSource => {
  if (stepsPerEpoch === null) return source
  const batchesMax = stepsPerEpoch * accumulate
  return {
    ...source,
    length: Math.min(source.length, batchesMax * batch),
    batches: (request) => {
      const skipped = source.canSkip === true ? (request.skip ?? 0) : 0
      return firstBatches(source.batches(request), batchesMax - skipped)
    },
  }
}

async function* firstBatches(batches: ReturnType<DataSource['batches']>, count: number): AsyncGenerator<Batch> {
  let given = 0
  if (count > 0)
    for await (const columns of batches) {
      yield columns
      if (++given >= count) return
    }
}
