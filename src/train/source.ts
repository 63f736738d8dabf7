/** The interface of data for training: batches of rows; each column feeds one input. A user's source implements it. */
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
  /** The epoch, from 0. Together with `seed` it determines the order and all random draws, for any concurrency. */
  readonly epoch: number
  readonly seed: number
  /** Height and width of the pictures; absent: the source's own. */
  readonly size?: readonly [height: number, width: number] | undefined
  /** Strength of augmentation, in the source's units; absent: the source's default. */
  readonly augmentation?: number | undefined
  /** Batches to skip at the beginning: a resumed run has used them already. */
  readonly skip?: number | undefined
  readonly signal?: WebAbortSignal | undefined
}

/**
 * Data for `fit` and `evaluate`. A source of training data chooses the order of an epoch. A source of test data gives all rows in order.
 * Labels are class indices (int32) or distributions (float32). Indices are converted to distributions if the loss takes distributions.
 */
export interface DataSource {
  /** Names of the classes, in the order of the labels. */
  readonly classes: readonly string[]
  /** Rows in one epoch. */
  readonly length: number
  /** `batches` implements `skip`. Otherwise the loop draws these batches and discards them. */
  readonly canSkip?: boolean | undefined
  /** For pictures: the crop for prediction that matches the training data. Checkpoints keep that of `train`; `openModel` returns it. */
  readonly crop?: FixedCrop | undefined
  batches(request: BatchRequest): AsyncIterable<Batch> | Iterable<Batch>
}

/** The check of options that take a source. */
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
