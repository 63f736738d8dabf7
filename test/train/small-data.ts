/** Small data for tests of the loop: three kinds of pictures that a small network can distinguish, and functions to inspect a run. */
import type { Model } from '../../src/ir/model.ts'
import { type EfficientNet, efficientNet, type EfficientNetOptions } from '../../src/models/efficientnet.ts'
import { philox4x32 } from '../../src/ir/philox.ts'
import type { TrainingEvent } from '../../src/train/events.ts'
import type { Batch, BatchRequest, DataSource } from '../../src/train/source.ts'

export const classes = ['left', 'right', 'both']
const side = 8

/** A noisy picture that is bright on the left, on the right, or on both sides. */
export const picture = (row: number, size = side): Uint8Array => {
  const words = new Uint32Array(4)
  return Uint8Array.from({ length: size * size }, (_, i) => {
    const isLeft = i % size < size / 2
    const kind = row % 3
    const isBright = kind === 2 || (kind === 0) === isLeft
    const noise = philox4x32(i, row, 0, 0, 7, 11, words)[0] ?? 0
    return (isBright ? 150 : 20) + (noise % 80)
  })
}

/** Rows in a different order in each epoch. `canSkip` only on request. */
export const pictures = (
  length: number,
  options: { readonly canSkip?: boolean; readonly isShuffled?: boolean } = {},
): DataSource => ({
  classes,
  length,
  ...(options.canSkip === undefined ? {} : { canSkip: options.canSkip }),
  *batches({ batch, epoch, size: [size = side] = [side, side], skip = 0 }: BatchRequest): Generator<Batch> {
    const first = options.canSkip === true ? skip * batch : 0
    for (let at = first; at < length; at += batch) {
      const rows = Array.from({ length: Math.min(batch, length - at) }, (_, n) =>
        options.isShuffled === true ? (7 * (at + n) + 5 * epoch) % length : at + n,
      )
      const image = new Uint8Array(rows.length * size * size)
      for (const [n, row] of rows.entries()) image.set(picture(row, size), n * size * size)
      yield { image, label: Int32Array.from(rows, (row) => row % 3) }
    }
  },
})

/** An EfficientNet with one row of blocks and all random ops. */
export const smallNet = ({ wide, ...options }: EfficientNetOptions & { readonly wide?: boolean } = {}): EfficientNet =>
  efficientNet('b0', {
    classes: 3,
    resolution: side,
    inChannels: 1,
    dropout: 0.2,
    stochasticDepth: 0.3,
    batchNorm: { momentum: 0.9 },
    blocks: [{ kernel: 3, repeats: 2, filters: wide === true ? 16 : 8, expand: 1, strides: 1 }],
    ...options,
  })

/** The equal parts of equal runs: everything except speed. */
export const timeless = (events: readonly TrainingEvent[]): readonly unknown[] =>
  events.flatMap((event): readonly unknown[] =>
    event.kind === 'step' ? [{ ...event, imagesPerSecond: 0 }] : event.kind === 'evaluation' ? [event] : [],
  )

/** Any model, for the type checker. */
export const anyModel = (model: unknown): Model => model as Model
