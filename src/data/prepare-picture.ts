/** From a decoded picture to a row of a batch. */
import { EffuseError } from '../ir/diagnostics.ts'
import { centreBox } from '../pixels/box.ts'
import { grey, type Picture } from './decode.ts'
import { distortedBox } from './distorted-box.ts'
import { type DrawsPosition, rowDraws } from './draws.ts'
import type { FolderSettings } from './image-folder-options.ts'
import type { CheckedRequest } from './request.ts'
import { resizedPart } from './resize.ts'

/** @param row place in the epoch's order. Gives [height, width, channels]. */
export type Prepare = (picture: Picture, row: number) => Promise<Uint8Array>

type Settings = Pick<FolderSettings, 'size' | 'filter' | 'channels' | 'augment'>
type Request = Pick<CheckedRequest, 'seed' | 'epoch' | 'size' | 'augmentation'>

/** The recipe: a random box, mirrored half of the time, then what `augment` makes of it. All draws are the row's own. */
export const trainingPicture =
  ({ filter, channels, augment, ...settings }: Settings, request: Request): Prepare =>
  async (picture, row) => {
    const { seed, epoch, size = settings.size, augmentation: strength } = request
    const drawsFor = (purpose: DrawsPosition['purpose']) => rowDraws({ seed, epoch, row, purpose })
    const box = distortedBox(picture.width, picture.height, drawsFor('crop'))
    const isMirrored = drawsFor('flip').below(2) === 1
    const data = await resizedPart(picture, box, size, { filter, isMirrored })
    if (augment === undefined) return inChannels(data, channels)
    const [height, width] = size
    const changed = await augment({ width, height, channels: 3, data }, { strength, draws: drawsFor('augment') })
    checkChanged(changed, size)
    return inChannels(changed.data, channels)
  }

/** The centre crop of the reference's evaluation: nothing is random. */
export const testPicture =
  ({ filter, channels, ...settings }: Settings, { size = settings.size }: Request): Prepare =>
  async (picture) => {
    const box = centreBox(picture.width, picture.height, Math.max(...size))
    return inChannels(await resizedPart(picture, box, size, { filter }), channels)
  }

const inChannels = (data: Uint8Array, channels: 1 | 3): Uint8Array => (channels === 1 ? grey(data) : data)

const checkChanged = ({ data }: Picture, [height, width]: readonly [number, number]): void => {
  if (data instanceof Uint8Array && data.length === height * width * 3) return
  throw new EffuseError({
    code: 'EF403',
    message: `option "augment" must give a picture of [${height},${width},3] bytes, it gave ${data.length}`,
  })
}
