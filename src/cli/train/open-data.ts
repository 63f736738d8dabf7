/** The data that a run names: the built-in digits, or a folder of pictures. */
import { digits } from '../../data/digits.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Recipe } from '../../recipes/recipe.ts'
import type { Batch, DataSource } from '../../train/source.ts'

export interface OpenedData {
  readonly train: DataSource
  /** Absent where nothing is held out. */
  readonly test: DataSource | undefined
  /** Height and width that all its pictures have; null where they differ. */
  readonly size: number | null
  readonly channels: number
  /** Texts for the checkpoints: how pictures are to be prepared. */
  readonly metadata: { readonly [key: string]: string }
}

/** @throws EffuseError EF404 (a package is missing), EF501, EF507 (the folder), EF403 (settings that do not go together) */
export const openData = async ({ data, holdout }: Pick<Recipe, 'data' | 'holdout' | 'seed'>): Promise<OpenedData> => {
  if (data !== digitsName) throw new EffuseError({ code: 'EF901', message: 'folders: soon' })
  if (holdout !== null)
    throw new EffuseError({
      code: 'EF403',
      message: '--holdout goes with a folder of pictures; of the digits, 2,000 are held out always',
      hint: 'leave it out',
    })
  const { train, test } = digits()
  return { train, test, size: 28, channels: 1, metadata: { [cropKey]: 'none' } }
}

/** A source whose epochs end after so many updates; which pictures they see changes from epoch to epoch with the source's order. */
export const shortened = (
  source: DataSource,
  { stepsPerEpoch, batch, accumulate }: Pick<Recipe, 'stepsPerEpoch' | 'batch' | 'accumulate'>,
): DataSource => {
  if (stepsPerEpoch === null) return source
  const batchesMax = stepsPerEpoch * accumulate
  return {
    ...source,
    length: Math.min(source.length, batchesMax * batch),
    batches: (request) =>
      firstBatches(source.batches(request), batchesMax - (source.canSkip === true ? (request.skip ?? 0) : 0)),
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

/** Key of a checkpoint's metadata: how readImage() crops pictures for it. */
export const cropKey = 'effuse.crop'

/** What `--data` calls the built-in handwritten digits. */
export const digitsName = 'digits'
