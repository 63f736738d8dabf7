/** Batches of pictures from files, prepared ahead. */
import { EffuseError } from '../ir/diagnostics.ts'
import { readFile } from '../platform/node.ts'
import type { DataSource } from '../train/source.ts'
import { type Damage, damagedFiles, type DamagedFiles, damageOf } from './damaged.ts'
import { decode, type Picture } from './decode.ts'
import type { Listed } from './folder-layout.ts'
import type { FolderSettings } from './image-folder-options.ts'
import { inOrder } from './in-order.ts'
import { type Prepare, testPicture, trainingPicture } from './prepare-picture.ts'
import { type CheckedRequest, checkRequest, type LabelledBatch, type LabelledRequest } from './request.ts'
import { shuffled } from './shuffle.ts'

/** A part of an image folder. */
export interface ImageFolderSource extends DataSource {
  /** Paths of the pictures. */
  readonly files: readonly string[]
  /** Index of each one's class. */
  readonly labels: Int32Array<ArrayBuffer>
  /** The last batch of an epoch may be short. */
  batches(request: LabelledRequest): AsyncGenerator<LabelledBatch>
}

/** A place in the epoch's order: its picture, null where it is damaged and none takes its place; and what was found damaged on the way. */
interface Row {
  readonly image: Uint8Array | null
  readonly label: number
  readonly damage: readonly Damage[]
}

export const folderSource = (listed: Listed, settings: FolderSettings, isTraining: boolean): ImageFolderSource => {
  const damaged = damagedFiles(settings.maxCorrupt, settings.onSkip)
  const load = loader(listed.files)
  const batches = (request: LabelledRequest): AsyncGenerator<LabelledBatch> => {
    const checked = checkRequest(request)
    if (isTraining) checkStrength(checked, settings)
    const prepare = isTraining ? trainingPicture(settings, checked) : testPicture(settings, checked)
    const rows = isTraining
      ? trainingRows(listed, checked, { load, prepare, damageMax: settings.maxCorrupt })
      : testRows(listed, { load, prepare })
    const { batch, skip, signal, size: [height, width] = settings.size } = checked
    const length = listed.files.length
    const { concurrency, prefetch } = settings
    const [start, rowsToDrop] = isTraining ? [skip * batch, 0] : [0, skip * batch]
    const ordered = inOrder([start, length], rows, { concurrency, ahead: prefetch * batch, signal })
    const bytes = height * width * settings.channels
    return inBatches(ordered, { batch, bytes, rowsToDrop, damaged, isTraining })
  }
  return { ...listed, length: listed.files.length, canSkip: true, batches }
}

type Load = (index: number) => Promise<Picture | Damage>

/** The picture of a file, or what is wrong with it. A file that was found damaged is not tried again. */
const loader = (files: readonly string[]): Load => {
  const known = new Map<number, Damage>()
  return async (index) => {
    const before = known.get(index)
    if (before !== undefined) return before
    const path = files[index] as string // an index of the list
    try {
      return await decode(await readFile(path), path)
    } catch (error) {
      const damage = damageOf(error, path)
      if (damage === null) throw error
      known.set(index, damage)
      return damage
    }
  }
}

/**
 * A damaged picture's place is taken by the next good one of the epoch's order, from the end round to the beginning: whichever is damaged
 * and whoever finds out first, the epoch is as long and the same. It gets a crop of its own, since the draws are the place's.
 */
const trainingRows = (
  { files, labels }: Listed,
  { seed, epoch }: CheckedRequest,
  { load, prepare, damageMax }: { readonly load: Load; readonly prepare: Prepare; readonly damageMax: number },
): ((row: number) => Promise<Row>) => {
  const order = shuffled(files.length, seed, epoch)
  return async (row) => {
    const damage: Damage[] = []
    for (let i = 0; i < order.length && damage.length <= damageMax; i++) {
      const index = order[(row + i) % order.length] as number // below the length
      const found = await load(index)
      if ('data' in found) return { image: await prepare(found, row), label: labels[index] as number, damage }
      damage.push(found)
    }
    return { image: null, label: 0, damage }
  }
}

/** A damaged picture is left out: another in its place would count twice. */
const testRows =
  (
    { labels }: Listed,
    { load, prepare }: { readonly load: Load; readonly prepare: Prepare },
  ): ((row: number) => Promise<Row>) =>
  async (row) => {
    const found = await load(row)
    const label = labels[row] as number // as many labels as files
    return 'data' in found
      ? { image: await prepare(found, row), label, damage: [] }
      : { image: null, label, damage: [found] }
  }

interface BatchesOptions {
  readonly batch: number
  /** Of one picture. */
  readonly bytes: number
  /** Good rows to leave out at the beginning. */
  readonly rowsToDrop: number
  readonly damaged: DamagedFiles
  readonly isTraining: boolean
}

async function* inBatches(
  rows: AsyncGenerator<Row>,
  { batch, bytes, rowsToDrop, damaged, isTraining }: BatchesOptions,
): AsyncGenerator<LabelledBatch> {
  let [good, filled] = [0, 0]
  let [images, labels] = [new Uint8Array(batch * bytes), new Int32Array(batch)]
  for await (const { image, label, damage } of rows) {
    damaged.note(damage)
    if (image === null) {
      if (isTraining) throw damaged.error('none of the pictures can be read')
      continue
    }
    if (++good <= rowsToDrop) continue
    images.set(image, filled * bytes)
    labels[filled++] = label
    if (filled < batch) continue
    yield { image: images, label: labels }
    filled = 0
    ;[images, labels] = [new Uint8Array(batch * bytes), new Int32Array(batch)]
  }
  if (good === 0 && !isTraining) throw damaged.error('none of the pictures can be read')
  if (filled > 0) yield { image: images.slice(0, filled * bytes), label: labels.slice(0, filled) }
}

const checkStrength = ({ augmentation = 0 }: CheckedRequest, { augment }: FolderSettings): void => {
  if (augmentation === 0 || augment !== undefined) return
  throw new EffuseError({
    code: 'EF403',
    message: `batches(): "augmentation" is ${augmentation}, and this image folder augments by crops and flips alone, which have no strength`,
    hint: 'give imageFolder() the option "augment", or leave augmentation out',
  })
}
