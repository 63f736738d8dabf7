/** From a decoded picture to a row of a batch. */
import { EffuseError } from '../ir/diagnostics.ts'
import { type Box, boxFor } from '../pixels/box.ts'
import { grey, type Picture } from './decode.ts'
import { boxesFor, distortedBox } from './distorted-box.ts'
import { type Draws, type DrawsPosition, rowDraws } from './draws.ts'
import type { FolderSettings } from './image-folder-options.ts'
import type { CheckedRequest } from './request.ts'
import { resized } from '../pixels/resample.ts'

/** @param row place in the epoch's order. Gives [height, width, channels]. */
export type Prepare = (picture: Picture, row: number) => Promise<Uint8Array>

type Settings = Pick<FolderSettings, 'size' | 'filter' | 'channels' | 'augment' | 'crop' | 'cropArea' | 'flip'>
type Request = Pick<CheckedRequest, 'seed' | 'epoch' | 'size' | 'augmentation'>

/** A random box unless the settings say otherwise, mirrored half of the time, then what `augment` makes of it. All draws are the row's own. */
export const trainingPicture = (settings: Settings, request: Request): Prepare => {
  const { filter, channels, augment, flip } = settings
  const { seed, epoch, size = settings.size, augmentation: strength } = request
  return async (picture, row) => {
    const drawsFor = (purpose: DrawsPosition['purpose']) => rowDraws({ seed, epoch, row, purpose })
    const box = trainingBox(picture, settings, Math.max(...size), drawsFor('crop'))
    const isMirrored = flip && drawsFor('flip').below(2) === 1
    const data = resized(picture, box, size, { filter, isMirrored })
    if (augment === undefined) return inChannels(data, channels)
    const [height, width] = size
    const changed = await augment({ width, height, channels: 3, data }, { strength, draws: drawsFor('augment') })
    checkChanged(changed, size)
    return inChannels(changed.data, channels)
  }
}

const trainingBox = (
  { width, height }: Picture,
  { crop, cropArea }: Pick<Settings, 'crop' | 'cropArea'>,
  size: number,
  draws: Draws,
): Box =>
  crop === 'box' ? distortedBox(width, height, draws, boxesFor(size, cropArea)) : boxFor(crop, width, height, size)

/** What fits to the training pictures, and nothing of it random: the whole picture where they are whole, else the centre. */
export const testPicture =
  ({ filter, channels, crop, ...settings }: Settings, { size = settings.size }: Request): Prepare =>
  async (picture) => {
    const box = boxFor(crop === 'none' ? 'none' : 'center', picture.width, picture.height, Math.max(...size))
    return inChannels(resized(picture, box, size, { filter }), channels)
  }

const inChannels = (data: Uint8Array, channels: 1 | 3): Uint8Array => (channels === 1 ? grey(data) : data)

const checkChanged = ({ data }: Picture, [height, width]: readonly [number, number]): void => {
  if (data instanceof Uint8Array && data.length === height * width * 3) return
  throw new EffuseError({
    code: 'EF403',
    message: `option "augment" must give a picture of [${height},${width},3] bytes, it gave ${data.length}`,
  })
}
