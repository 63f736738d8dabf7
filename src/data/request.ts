/** Requests to effuse's own data sources, with their checks, and the batches that they return. */
import { type Check, count, isNatural, natural } from '../ir/check-record.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { shortList } from '../ir/listed.ts'
import { shownAs } from '../ir/shown.ts'
import { isSize, sideMax } from '../pixels/size.ts'
import type { BatchRequest, DataSource } from '../train/source.ts'

/** A request by a caller; `seed` defaults to 0. */
export type LabelledRequest = Omit<BatchRequest, 'seed'> & { readonly seed?: number | undefined }

/** Pictures [rows,height,width,channels], 0 to 255, and the class index of each one. */
export interface LabelledBatch {
  readonly [input: string]: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer>
  readonly image: Uint8Array<ArrayBuffer>
  readonly label: Int32Array<ArrayBuffer>
}

/** Makes console.log of a source print one line. */
export const shownSource = <S extends DataSource>(source: S): S =>
  shownAs(
    source,
    () =>
      `Pictures: ${source.length} of ${source.classes.length} classes (${shortList(source.classes)}); batches({ batch, epoch, seed }) gives those of an epoch`,
  )

/** A valid request, with defaults for `seed` and `skip`. */
export interface CheckedRequest extends BatchRequest {
  readonly skip: number
}

const word: Check = ['an integer from 0 to 2^32 - 1', (v) => isNatural(v) && Number(v) < 2 ** 32]

const checks: { readonly [K in keyof Required<BatchRequest>]: Check } = {
  batch: count,
  epoch: word,
  seed: word,
  size: [`[height, width], positive integers up to ${sideMax}`, (v) => v === undefined || isSize(v)],
  augmentation: [
    'a number of at least 0',
    (v) => v === undefined || (typeof v === 'number' && v >= 0 && v < Number.POSITIVE_INFINITY),
  ],
  skip: natural,
  signal: ['an AbortSignal', (v) => v === undefined || v instanceof AbortSignal],
}

/** @throws EffuseError EF403 naming the field, the expected and the given value */
export const checkRequest = (given: LabelledRequest): CheckedRequest => {
  const request = { ...given, seed: given.seed ?? 0, skip: given.skip ?? 0 }
  for (const name of Object.keys(checks) as (keyof typeof checks)[]) {
    // Object.keys does not keep the keys' type
    const [expects, accepts] = checks[name]
    if (!accepts(request[name]))
      throw new EffuseError({
        code: 'EF403',
        message: `batches(): "${name}" must be ${expects}, got ${showGiven(request[name])}`,
      })
  }
  return request
}
