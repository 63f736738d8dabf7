/** Folders of pictures, one per class, as data for fit() and evaluate(). */
import { EffuseError } from '../ir/diagnostics.ts'
import { loadSharp } from './decode.ts'
import { type ClassFolder, type Layout, listed, readLayout } from './folder-layout.ts'
import { folderSource, type ImageFolderSource } from './folder-source.ts'
import { otherFiles } from './picture-files.ts'
import { type FolderSettings, type ImageFolderOptions, settingsOf } from './image-folder-options.ts'
import { philox4x32, streamKey } from '../ir/philox.ts'

export interface ImageFolder {
  readonly train: ImageFolderSource
  readonly test: ImageFolderSource
}

/**
 * Data from `path/train/<class>/*` and `path/val/<class>/*` (or `test/`), or from `path/<class>/*` with a share of each class held out.
 * The classes are the sorted names of the folders; folders inside a class belong to it.
 *
 * Training pictures are random boxes as in the reference's recipe (see distorted-box.ts), mirrored with probability 1/2; test pictures are its centre
 * crops. `crop`, `cropArea` and `flip` change this. Batches are `image` uint8 [rows,height,width,channels], 0 to 255, and `label` int32 [rows]. They
 * depend on seed and epoch, not on concurrency; rows do not depend on the batch size.
 *
 * @throws EffuseError EF501 (no such folder), EF507 (no classes, a class without pictures, classes that differ, nothing to test with), EF403 (options, or no way
 * to split), EF404 (sharp is not installed). The batches: EF403 (request), EF506 (more damaged pictures than `maxCorrupt`).
 * @example
 * const { train, test } = await imageFolder('flowers', { holdout: 0.2, size: 64 })
 * console.log(train.classes, train.length, test.length)
 * for await (const { image, label } of train.batches({ batch: 4, epoch: 0 })) void [image, label]
 */
export const imageFolder = async (path: string, options: ImageFolderOptions = {}): Promise<ImageFolder> => {
  const settings = settingsOf(options)
  await loadSharp() // now, not at the first batch
  const { train, test } = splitOf(await layoutOf(path, settings), path, options)
  return { train: folderSource(listed(train), settings, true), test: folderSource(listed(test), settings, false) }
}

/**
 * Test pictures alone: `path/val/<class>/*` or `path/test/<class>/*`, else all of `path/<class>/*`, or with `holdout` the share that imageFolder()
 * holds out. If there is only `path/train/<class>/*`, `holdout` is required.
 *
 * @throws EffuseError as imageFolder().
 * @example
 * const test = await testFolder('flowers', { size: 64 })
 * console.log(test.classes, test.length) // evaluate(model, { data: test, variables })
 */
export const testFolder = async (path: string, options: ImageFolderOptions = {}): Promise<ImageFolderSource> => {
  const settings = settingsOf(options)
  await loadSharp()
  const layout = await layoutOf(path, settings)
  const isAll = layout.kind === 'whole' && options.holdout === undefined
  const test = isAll
    ? layout.all
    : layout.kind === 'test'
      ? ownTest(layout.test, path, options)
      : splitOf(layout, path, options).test
  return folderSource(listed(test), settings, false)
}

const layoutOf = async (path: string, { onNotice }: Pick<FolderSettings, 'onNotice'>): Promise<Layout> => {
  const others = otherFiles()
  const layout = await readLayout(path, others)
  const notice = others.told(path)
  if (notice !== null) onNotice(notice)
  return layout
}

const splitOf = (layout: Layout, path: string, options: ImageFolderOptions): Split => {
  if (layout.kind === 'test')
    throw new EffuseError({
      code: 'EF507',
      message: `${path} contains ${layout.held}/ but no train/`,
      hint: 'expected train/<class>/* beside it, or folders of classes alone',
    })
  if (layout.kind === 'split') return { train: layout.train, test: ownTest(layout.test, path, options) }
  const { holdout, holdoutSeed = 0 } = options
  if (holdout === undefined)
    throw new EffuseError({
      code: 'EF403',
      message: `${path} has no val/ or test/ beside train/, so the option "holdout" must give the share to test with`,
      hint: 'holdout: 0.1, --holdout 0.1, holds out a tenth of each class',
    })
  const split = heldOut(layout.all, { share: holdout, seed: holdoutSeed })
  if (split.test.every(({ files }) => files.length === 0))
    throw new EffuseError({
      code: 'EF507',
      message: `no class in ${path} has more than one picture, so none can be held out for tests`,
      hint: 'add pictures, or a folder val/<class>/* beside train/',
    })
  return split
}

/** @throws EffuseError EF403 if the caller also wants to hold out a share */
const ownTest = (
  test: readonly ClassFolder[],
  path: string,
  { holdout }: ImageFolderOptions,
): readonly ClassFolder[] => {
  if (holdout === undefined) return test
  throw new EffuseError({
    code: 'EF403',
    message: `${path} has test data of its own, so the option "holdout" cannot apply`,
    hint: 'leave holdout out',
  })
}

export interface HoldoutOptions {
  /** The share of each class, above 0 and below 1. */
  readonly share: number
  readonly seed: number
}

export interface Split {
  readonly train: readonly ClassFolder[]
  readonly test: readonly ClassFolder[]
}

/**
 * Holds out round(share * n) of each class of n pictures, at least one and not all. A class of one picture is only for training.
 *
 * The seed, the class's name and the picture's name determine a random rank for each picture; the first ones are held out. Pictures that are added to
 * other classes therefore change nothing, and a picture that is added to a class moves at most one picture of that class between the parts.
 */
export const heldOut = (classes: readonly ClassFolder[], options: HoldoutOptions): Split => {
  const chosen = classes.map((one) => chosenOf(one, options))
  const part = (isTest: boolean): readonly ClassFolder[] =>
    classes.map((one, i) => ({ ...one, files: one.files.filter((file) => chosen[i]?.has(file) === isTest) }))
  return { train: part(false), test: part(true) }
}

const chosenOf = ({ name, files }: ClassFolder, { share, seed }: HoldoutOptions): ReadonlySet<string> => {
  const count = Math.min(files.length - 1, Math.max(1, Math.round(share * files.length)))
  const purpose = streamKey('data/holdout')
  const ranked = files.map((file) => {
    const [rank = 0] = philox4x32(streamKey(`${name}/${file}`), 0, 0, 0, seed, purpose)
    return { file, rank }
  })
  // The sort is stable, so files of equal rank stay in the order of their names.
  ranked.sort((a, b) => a.rank - b.rank)
  return new Set(ranked.slice(0, count).map(({ file }) => file))
}
