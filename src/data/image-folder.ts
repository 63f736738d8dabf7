/** Pictures in folders named after their classes, as data for fit() and evaluate(). */
import { EffuseError } from '../ir/diagnostics.ts'
import { loadSharp } from './decode.ts'
import { listed, readLayout } from './folder-layout.ts'
import { folderSource, type ImageFolderSource } from './folder-source.ts'
import { heldOut, type Split } from './holdout.ts'
import { type ImageFolderOptions, settingsOf } from './image-folder-options.ts'

export interface ImageFolder {
  readonly train: ImageFolderSource
  readonly test: ImageFolderSource
}

/**
 * Data from `path/train/<class>/*` and `path/val/<class>/*` (or `test/`), or from `path/<class>/*` with a share of each class held out.
 * Classes are the names of the folders, sorted; folders inside a class belong to it.
 *
 * Training pictures are random crops as the reference's recipe has them (see distorted-box.ts), mirrored half of the time; those to test
 * with are its centre crops. Batches are `image` uint8 [rows,height,width,channels], 0 to 255, and `label` int32 [rows]. They are the same
 * for the same seed and epoch, whatever the concurrency and the batch size.
 *
 * @throws EffuseError EF501 (no such folder), EF507 (no classes, a class without pictures, classes that differ), EF403 (options, or no way
 * to split), EF404 (sharp is not installed). The batches: EF403 (request), EF506 (more damaged pictures than `maxCorrupt`).
 * @example
 * const { train, test } = await imageFolder('flowers', { holdout: 0.2, size: 64 })
 * console.log(train.classes, train.length, test.length)
 * for await (const { image, label } of train.batches({ batch: 4, epoch: 0 })) void [image, label]
 */
export const imageFolder = async (path: string, options: ImageFolderOptions = {}): Promise<ImageFolder> => {
  const settings = settingsOf(options)
  await loadSharp() // now, not at the first batch
  const { train, test } = await splitOf(path, options)
  return { train: folderSource(listed(train), settings, true), test: folderSource(listed(test), settings, false) }
}

const splitOf = async (path: string, { holdout, holdoutSeed = 0 }: ImageFolderOptions): Promise<Split> => {
  const layout = await readLayout(path)
  if (layout.kind === 'split') {
    if (holdout === undefined) return layout
    throw new EffuseError({
      code: 'EF403',
      message: `${path} has test data of its own, so the option "holdout" cannot apply`,
      hint: 'leave holdout out',
    })
  }
  if (holdout !== undefined) return heldOut(layout.all, { share: holdout, seed: holdoutSeed })
  throw new EffuseError({
    code: 'EF403',
    message: `${path} has no val/ or test/ beside train/, so the option "holdout" must say which share to test with`,
    hint: 'holdout: 0.1 holds out a tenth of each class',
  })
}
