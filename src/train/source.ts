/** What the training loop asks of data: batches of rows, each column the feed of one input. One's own source is an object like this. */
import { type Check, isNatural, isObject } from '../ir/check-record.ts'
import type { WebAbortSignal } from '../ir/web-types.ts'
import type { FixedCrop } from '../pixels/box.ts'

/** Rows, one after another, row-major: pictures [rows,height,width,channels] from 0 to 255, labels [rows] or [rows,classes]. */
export type Column =
  | Float32Array<ArrayBuffer>
  | Uint8Array<ArrayBuffer>
  | Uint8ClampedArray<ArrayBuffer>
  | Int32Array<ArrayBuffer>
/** Columns by the name of the input that they feed: `{ image, label }`. */
export type Batch = { readonly [input: string]: Column }

export interface BatchRequest {
  /** Rows of each batch; the last batch of an epoch may have fewer. */
  readonly batch: number
  /** Which pass over the data, from 0. With `seed` it fixes the order and all that is random, whatever the concurrency. */
  readonly epoch: number
  readonly seed: number
  /** Height and width wanted; absent: the source's own. */
  readonly size?: readonly [height: number, width: number] | undefined
  /** How strongly to augment, in the source's own units; absent: the source's default. */
  readonly augmentation?: number | undefined
  /** Batches to leave out at the beginning: a resumed run has had them. */
  readonly skip?: number | undefined
  readonly signal?: WebAbortSignal | undefined
}

/**
 * Data for `fit` and `evaluate`. A source of training data gives an epoch in an order of its own choice, one of test data all rows in order.
 * Labels are class indices (int32) or distributions (float32), as the loss wants them; indices are turned into distributions where need be.
 */
export interface DataSource {
  /** Names of the classes, in the order of the labels. */
  readonly classes: readonly string[]
  /** Rows in one epoch. */
  readonly length: number
  /** `batches` heeds `skip`. Otherwise the loop draws the batches and throws them away. */
  readonly canSkip?: boolean | undefined
  /** Of pictures: how those to predict are to be cut to match. Of `train` it is kept in the checkpoints, and `openModel` gives it back. */
  readonly crop?: FixedCrop | undefined
  batches(request: BatchRequest): AsyncIterable<Batch> | Iterable<Batch>
}

/** What a source must be, for options that take one. */
export const sourceCheck: Check = [
  "a source of data with classes (a list of names), length (a number of rows) and batches(), and crop, if any, 'center' or 'none'",
  (v) =>
    isObject(v) &&
    'batches' in v &&
    typeof v.batches === 'function' &&
    'classes' in v &&
    Array.isArray(v.classes) &&
    v.classes.every((name) => typeof name === 'string') &&
    'length' in v &&
    isNatural(v.length) &&
    (!('crop' in v) || v.crop === undefined || v.crop === 'center' || v.crop === 'none'),
]
