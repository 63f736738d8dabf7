/** Prepares the pictures of a folder as rows of a batch. */
import { EffuseError } from '../ir/diagnostics.ts'
import { withChannels } from '../pixels/grey.ts'
import { rowDraws } from './draws.ts'
import type { FolderSettings } from './image-folder-options.ts'
import type { Picture } from './picture.ts'
import type { PictureJob, PictureResult } from './picture-job.ts'
import type { CheckedRequest } from './request.ts'

/** Prepares the picture `path` for a row of the epoch's order. `isSound` as in PictureJob. */
export type Prepare = (path: string, row: number, isSound: boolean) => Promise<PictureResult>
type Run = (job: PictureJob) => Promise<PictureResult>
type Request = Pick<CheckedRequest, 'seed' | 'epoch' | 'size' | 'augmentation'>

/** Training pictures: cropped and mirrored by the settings, then changed by `augment`. All draws belong to the row. */
export const trainingPicture = (settings: FolderSettings, request: Request, run: Run): Prepare => {
  const { channels, augment } = settings
  const { seed, epoch, size = settings.size, augmentation: strength } = request
  const [height, width] = size
  return async (path, row, isSound) => {
    const at = { seed, epoch, row }
    // `augment` is a function of this thread and takes RGB.
    const found = await run({
      ...jobOf(settings),
      ...{ path, size, at, isSound, channels: augment === undefined ? channels : 3 },
    })
    if ('damage' in found || augment === undefined) return found
    const options = { strength, draws: rowDraws({ ...at, purpose: 'augment' }) }
    const changed = await augment({ width, height, channels: 3, data: found.image }, options)
    checkChanged(changed, size)
    return { ...found, image: withChannels(new Uint8Array(changed.data), channels) }
  }
}

/** Test pictures, without random choices: whole if training pictures are whole, else the central square. */
export const testPicture = (settings: FolderSettings, { size = settings.size }: Request, run: Run): Prepare => {
  const crop = settings.crop === 'none' ? 'none' : 'center'
  const job = { ...jobOf(settings), size, crop, flip: false, at: { seed: 0, epoch: 0, row: 0 } } as const
  return (path, _row, isSound) => run({ ...job, path, isSound })
}

const jobOf = ({ filter, channels, crop, cropArea, flip, ...rest }: FolderSettings) => {
  const { colors, maxPixels, maxBytes, timeLimit } = rest
  return { filter, channels, crop, cropArea, flip, reading: { colors, maxPixels, maxBytes, timeLimit } }
}

const checkChanged = ({ data }: Picture, [height, width]: readonly [number, number]): void => {
  if (data instanceof Uint8Array && data.length === height * width * 3) return
  throw new EffuseError({
    code: 'EF403',
    message: `option "augment" must return a picture of [${height},${width},3] bytes, it returned ${data.length}`,
  })
}
