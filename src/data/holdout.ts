/** Splitting one folder into data to train on and data to test with. */
import { philox4x32, streamKey } from '../ir/philox.ts'
import type { ClassFolder } from './folder-layout.ts'

export interface HoldoutOptions {
  /** Share of each class, above 0 and below 1. */
  readonly share: number
  readonly seed: number
}

export interface Split {
  readonly train: readonly ClassFolder[]
  readonly test: readonly ClassFolder[]
}

/**
 * Holds out round(share * n) of each class of n pictures, at least one and not all; a class of one picture is all for training.
 *
 * Each picture has a random rank by the seed, the class's name and its own name alone; the first ones are held out. So what is added to other
 * classes changes nothing, and a picture added to a class moves at most one of that class across, when the count grows or it ranks before it.
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
  // Stable: files of equal rank stay in the order of their names.
  ranked.sort((a, b) => a.rank - b.rank)
  return new Set(ranked.slice(0, count).map(({ file }) => file))
}
