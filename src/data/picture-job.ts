/** A job, plain data, that prepares one picture of a folder. Any thread can run it, with the same result. */
import { type Box, boxFor, type FolderCrop, wholeBox } from '../pixels/box.ts'
import { resized, type ResizeFilter } from '../pixels/resample.ts'
import { withChannels } from '../pixels/grey.ts'
import { damageOf } from './damaged.ts'
import { boxesFor, distortedBox } from './distorted-box.ts'
import { type DrawsPosition, rowDraws } from './draws.ts'
import { type Reader, type Reading, readPicture } from './read-picture.ts'

export interface PictureJob {
  readonly path: string
  /** Height and width of the result. */
  readonly size: readonly [number, number]
  readonly channels: 1 | 3
  readonly filter: ResizeFilter
  readonly crop: FolderCrop
  readonly cropArea: readonly [number, number] | undefined
  /** Whether to mirror with probability 1/2. */
  readonly flip: boolean
  /** The position of the row, for random choices. */
  readonly at: Omit<DrawsPosition, 'purpose'>
  readonly reading: Reading
  /** Whether the whole file was decoded before without a fault. Then only the used part is decoded. */
  readonly isSound: boolean
}

/** The pixels [height,width,channels], or what is wrong with the file. */
export type PictureResult =
  | { readonly image: Uint8Array<ArrayBuffer>; readonly hasOtherProfile: boolean }
  | { readonly damage: string }

/** @throws errors that are not faults of the file */
export const doJob = async (job: PictureJob, reader: Reader = {}): Promise<PictureResult> => {
  const { path, size, filter, channels, flip, at, isSound } = job
  try {
    const partOf = (width: number, height: number): Box => boxOf({ width, height }, job)
    const picture = await readPicture(path, job.reading, { ...reader, partOf: isSound ? partOf : undefined })
    const { width, height } = picture
    const box = isSound ? wholeBox(width, height) : partOf(width, height)
    const isMirrored = flip && rowDraws({ ...at, purpose: 'flip' }).below(2) === 1
    const data = resized(picture, box, size, { filter, isMirrored })
    return { image: withChannels(data, channels), hasOtherProfile: picture.hasOtherProfile }
  } catch (error) {
    const damage = damageOf(error, path)
    if (damage === null) throw error
    return { damage: damage.reason }
  }
}

const boxOf = (
  { width, height }: { readonly width: number; readonly height: number },
  { crop, cropArea, size, at }: PictureJob,
): Box => {
  const longer = Math.max(...size)
  if (crop !== 'box') return boxFor(crop, width, height, longer)
  return distortedBox(width, height, rowDraws({ ...at, purpose: 'crop' }), boxesFor(longer, cropArea))
}
