/** Prepares batches of pictures from files ahead of their use. */
import { EffuseError } from '../ir/diagnostics.ts'
import { type FixedCrop, fixedCropOf } from '../pixels/box.ts'
import type { DataSource } from '../train/source.ts'
import { type Damage, damagedFiles, type DamagedFiles } from './damaged.ts'
import type { Listed } from './folder-layout.ts'
import type { FolderSettings } from './image-folder-options.ts'
import { inOrder } from './in-order.ts'
import { type JobStream, jobStream } from './picture-pool.ts'
import type { PictureResult } from './picture-job.ts'
import { type Prepare, testPicture, trainingPicture } from './prepare-picture.ts'
import { type CheckedRequest, checkRequest, type LabelledBatch, type LabelledRequest, shownSource } from './request.ts'
import { shuffled } from './draws.ts'

/** A part of an image folder. */
export interface ImageFolderSource extends DataSource {
  /** Paths of the pictures. */
  readonly files: readonly string[]
  /** The class index of each picture. */
  readonly labels: Int32Array<ArrayBuffer>
  /** The crop of test pictures, which is never random. */
  readonly crop: FixedCrop
  /** Batches of an epoch. The last one may be shorter. */
  batches(request: LabelledRequest): AsyncGenerator<LabelledBatch>
}

/** A place in the epoch's order: its picture, or null if that is damaged and has no replacement; and the damaged files that were found. */
interface Row {
  readonly image: Uint8Array | null
  readonly label: number
  readonly damage: readonly Damage[]
  readonly hasOtherProfile: boolean
}

export const folderSource = (listed: Listed, settings: FolderSettings, isTraining: boolean): ImageFolderSource => {
  const damaged = damagedFiles(settings.maxCorrupt, settings.onSkip)
  const known: KnownFiles = { damage: new Map(), isSound: new Uint8Array(listed.files.length) }
  const profiles = otherProfiles(settings)
  const batches = (request: LabelledRequest): AsyncGenerator<LabelledBatch> => {
    const checked = checkRequest(request)
    if (isTraining) checkStrength(checked, settings)
    const stream = jobStream(settings.workers, settings.concurrency)
    const load = loader(
      listed.files,
      known,
      (isTraining ? trainingPicture : testPicture)(settings, checked, stream.run),
    )
    const rows = isTraining ? trainingRows(listed, checked, load, settings.maxCorrupt) : testRows(listed, load)
    const { batch, skip, signal, size: [height, width] = settings.size } = checked
    const length = listed.files.length
    const [start, rowsToDrop] = isTraining ? [skip * batch, 0] : [0, skip * batch]
    const ordered = inOrder([start, length], rows, {
      ...paceOf(settings, batch, stream),
      signal,
      onLeave: stream.leave,
    })
    const bytes = height * width * settings.channels
    return inBatches(ordered, { batch, bytes, rowsToDrop, damaged, profiles, isTraining })
  }
  return shownSource({
    ...listed,
    ...{ length: listed.files.length, canSkip: true, crop: fixedCropOf(settings.crop), batches },
  })
}

/** Threads with a queue get all jobs that may run ahead, because this thread may be computing when they finish one. */
const paceOf = ({ concurrency, prefetch }: FolderSettings, batch: number, { isQueued }: JobStream) => {
  const ahead = prefetch * batch
  return { ahead, concurrency: isQueued ? ahead : concurrency }
}

/** Results of earlier rows, by a file's index. */
interface KnownFiles {
  readonly damage: Map<number, Damage>
  /** 1: the whole file was decoded without a fault. Until then the whole file is decoded, so that damage is found independent of the used part. */
  readonly isSound: Uint8Array
}
type Load = (index: number, row: number) => Promise<Exclude<PictureResult, { readonly damage: string }> | Damage>

/** The picture of a file for a row, or what is wrong with the file. A damaged file is not tried again. */
const loader =
  (files: readonly string[], known: KnownFiles, prepare: Prepare): Load =>
  async (index, row) => {
    const before = known.damage.get(index)
    if (before !== undefined) return before
    const path = files[index] as string // an index of the list
    const found = await prepare(path, row, known.isSound[index] === 1)
    if (!('damage' in found)) {
      known.isSound[index] = 1
      return found
    }
    const damage = { path, reason: found.damage }
    known.damage.set(index, damage)
    return damage
  }

/**
 * Replaces a damaged picture by the next good one in the epoch's order, which wraps around at the end. The epoch therefore has the same length and
 * content, in whichever order damage is found. The replacement gets its own crop, because random draws belong to the place.
 */
const trainingRows = (
  { files, labels }: Listed,
  { seed, epoch }: CheckedRequest,
  load: Load,
  damageMax: number,
): ((row: number) => Promise<Row>) => {
  const order = shuffled(files.length, seed, epoch)
  return async (row) => {
    const damage: Damage[] = []
    for (let i = 0; i < order.length && damage.length <= damageMax; i++) {
      const index = order[(row + i) % order.length] as number // below the length
      const found = await load(index, row)
      if ('image' in found) return { ...found, label: labels[index] as number, damage }
      damage.push(found)
    }
    return { image: null, label: 0, damage, hasOtherProfile: false }
  }
}

/** Leaves damaged pictures out, because a replacement would count twice. */
const testRows =
  ({ labels }: Listed, load: Load): ((row: number) => Promise<Row>) =>
  async (row) => {
    const found = await load(row, row)
    const label = labels[row] as number // as many labels as files
    return 'image' in found
      ? { ...found, label, damage: [] }
      : { image: null, label, damage: [found], hasOtherProfile: false }
  }

/** Counts pictures whose colour profile is not applied, and reports the number once, after a complete pass. */
interface OtherProfiles {
  /** Receives the number of such pictures in one pass. */
  tell(count: number): void
}

const otherProfiles = ({ colors, onNotice }: FolderSettings): OtherProfiles => {
  let isTold = colors === 'srgb'
  return {
    tell: (count) => {
      if (count === 0 || isTold) return
      isTold = true
      onNotice(
        `${count} picture${count === 1 ? ' has a colour profile' : 's have colour profiles'} other than sRGB: the stored values are used; colors: 'srgb' converts them`,
      )
    },
  }
}

interface BatchesOptions {
  readonly batch: number
  /** Bytes of one picture. */
  readonly bytes: number
  /** The number of good rows to skip at the beginning. */
  readonly rowsToDrop: number
  readonly damaged: DamagedFiles
  readonly profiles: OtherProfiles
  readonly isTraining: boolean
}

async function* inBatches(
  rows: AsyncGenerator<Row>,
  { batch, bytes, rowsToDrop, damaged, profiles, isTraining }: BatchesOptions,
): AsyncGenerator<LabelledBatch> {
  let [good, filled, otherProfiles] = [0, 0, 0]
  let [images, labels] = [new Uint8Array(batch * bytes), new Int32Array(batch)]
  for await (const { image, label, damage, hasOtherProfile } of rows) {
    damaged.note(damage)
    if (image === null) {
      if (isTraining) throw damaged.error('none of the pictures can be read')
      continue
    }
    if (hasOtherProfile) otherProfiles++
    if (++good <= rowsToDrop) continue
    images.set(image, filled * bytes)
    labels[filled++] = label
    if (filled < batch) continue
    yield { image: images, label: labels }
    filled = 0
    ;[images, labels] = [new Uint8Array(batch * bytes), new Int32Array(batch)]
  }
  profiles.tell(otherProfiles)
  if (good === 0 && !isTraining) throw damaged.error('none of the pictures can be read')
  if (filled > 0) yield { image: images.slice(0, filled * bytes), label: labels.slice(0, filled) }
}

const checkStrength = ({ augmentation = 0 }: CheckedRequest, { augment }: FolderSettings): void => {
  if (augmentation === 0 || augment !== undefined) return
  throw new EffuseError({
    code: 'EF403',
    message: `batches(): "augmentation" is ${augmentation}, but this image folder augments only by crops and flips, which have no strength`,
    hint: 'give imageFolder() the option "augment", or leave augmentation out',
  })
}
