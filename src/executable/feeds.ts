/** Converts a user's feeds to the backend's form, and declares their types. Imports no other package: a tf.Tensor is recognised by its shape. */
import type { Backend, FeedTensor, HostArray, Numbers } from '../backends/backend.ts'
import { hostArray, hostArrayOf } from '../backends/backend.ts'
import { readForeign } from '../backends/common/foreign-tensor.ts'
import { heldTensor, wasDropped } from '../backends/common/held-tensors.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { elements, sameShape, showType, type DType, type Type } from '../ir/types.ts'
import type { Signature } from '../ir/value.ts'
import { isResult, type Result } from './results.ts'
import { didYouMean } from '../ir/words.ts'

/** Decoded pictures, widened without loss. */
type Bytes = Uint8Array | Uint8ClampedArray
interface Feedable {
  float32: Float32Array | Bytes
  float16: Float32Array | Bytes
  bfloat16: Float32Array | Bytes
  int32: Int32Array | Bytes
  bool: Uint8Array
}
type Nested<T, R extends number> = [
  T,
  readonly T[],
  readonly (readonly T[])[],
  readonly (readonly (readonly T[])[])[],
  readonly (readonly (readonly (readonly T[])[])[])[],
][R]
/** The interface of a tf.Tensor, without an import. */
export interface TensorLike {
  readonly dataId: object
  readonly shape: readonly number[]
  readonly dtype: string
  data(): Promise<ArrayLike<number>>
}
export type Feed<D extends DType, R extends number> =
  | Feedable[D]
  | Result<D, R>
  | TensorLike
  | Nested<D extends 'bool' ? boolean : number, R>
export type Feeds<I extends Signature> = { readonly [K in keyof I]: Feed<I[K]['dtype'], I[K]['rank']> }

/**
 * Checks the feeds of one run against the inputs and converts them to the backend's form. Everything is copied, or held on the device, before
 * this returns its promise: the caller may write to an array, or dispose of a tensor, at once. `releaseFeeds` releases what is held.
 * @throws EffuseError EF401 (missing or unknown name), EF402 (shape, dtype, length).
 */
export const prepareFeeds = async (
  feeds: { readonly [name: string]: unknown },
  inputs: ReadonlyMap<string, Type>,
  backend: Backend,
): Promise<ReadonlyMap<string, FeedTensor>> => {
  const known = [...inputs.keys()]
  if (typeof feeds !== 'object' || feeds === null)
    throw new EffuseError({
      code: 'EF401',
      message: `run() takes an object of inputs by name (${known.join(', ') || 'none'}), got ${feeds === null ? 'null' : typeof feeds}`,
    })
  for (const name of Object.keys(feeds)) {
    if (!inputs.has(name))
      throw new EffuseError({
        code: 'EF401',
        message: `there is no input "${name}"; the inputs are ${known.join(', ') || 'none'}`,
        hint: known.length === 0 ? undefined : didYouMean(name, known),
      })
  }
  for (const [name, type] of inputs) {
    if (!Object.hasOwn(feeds, name))
      throw new EffuseError({ code: 'EF401', message: `the input "${name}" is missing; it is ${showType(type)}` })
  }
  // Arrays, the usual case, are copied without a promise for each.
  if (known.every((name) => isArray(feeds[name]))) return arrayFeeds(feeds, inputs, backend)
  const pending = [...inputs].map(
    async ([name, type]) => [name, await feedOf(name, type, feeds[name], backend)] as const,
  )
  try {
    return new Map(await Promise.all(pending))
  } catch (error) {
    for (const entry of await Promise.allSettled(pending))
      if (entry.status === 'fulfilled') releaseFeeds(new Map([entry.value]))
    throw error
  }
}

const arrayFeeds = (
  feeds: { readonly [name: string]: unknown },
  inputs: ReadonlyMap<string, Type>,
  backend: Backend,
): ReadonlyMap<string, FeedTensor> => {
  const made = new Map<string, FeedTensor>()
  try {
    for (const [name, type] of inputs) made.set(name, arrayFeed(name, type, feeds[name], backend))
    return made
  } catch (error) {
    releaseFeeds(made)
    throw error
  }
}

/** Releases what prepareFeeds holds on the device. */
export const releaseFeeds = (feeds: ReadonlyMap<string, FeedTensor>): void => {
  for (const feed of feeds.values()) if ('tensor' in feed) feed.tensor.dispose()
}

const feedOf = async (name: string, type: Type, given: unknown, backend: Backend): Promise<FeedTensor> => {
  if (isResult(given)) {
    checkFeed(name, type, given.dtype, given.shape)
    const held = heldTensor(given)
    // Another float type has other numbers, so it is read and rounded.
    if (held !== null && held.device === backend.device && held.type.dtype === type.dtype)
      return { type, tensor: held.share() }
    return { type, host: hostArrayOf(type.dtype, await given.data()) }
  }
  if (typeof given === 'object' && given !== null && wasDropped(given))
    throw new EffuseError({
      code: 'EF406',
      message: `the result fed as the input "${name}" was disposed of`,
      hint: 'dispose of results after the runs that take them',
    })
  if (isTensorLike(given)) {
    const dtype = tensorDtypes.find((d) => d === given.dtype)
    if (dtype === undefined) throw wrong(name, type, `a tensor of ${given.dtype}`, 'feed a tensor of real numbers')
    checkFeed(name, type, dtype, given.shape)
    const adopted = backend.adopt(given, type)
    if (adopted !== null) return { type, tensor: adopted }
    return { type, host: hostArrayOf(type.dtype, await readForeign(name, type, given)) }
  }
  return arrayFeed(name, type, given, backend)
}

const isArray = (given: unknown): boolean => ArrayBuffer.isView(given) || Array.isArray(given)

const arrayFeed = (name: string, type: Type, given: unknown, backend: Backend): FeedTensor => {
  if (!ArrayBuffer.isView(given)) return { type, host: fromNested(name, type, given) }
  const numbers = checkedNumbers(name, type, given)
  const tensor = backend.upload?.(numbers, type) ?? null
  return tensor === null ? { type, host: hostArrayOf(type.dtype, numbers) } : { type, tensor }
}

/** The supported dtypes of tfjs tensors; tfjs also has complex64 and string. */
const tensorDtypes = ['float32', 'int32', 'bool'] as const

const wrong = (name: string, type: Type, came: string, hint?: string): EffuseError =>
  new EffuseError({ code: 'EF402', message: `the input "${name}" is ${showType(type)}, got ${came}`, hint })

const checkFeed = (name: string, type: Type, dtype: DType, shape: readonly number[]): void => {
  const isFloatFeed = dtype !== 'int32' && dtype !== 'bool'
  const wantsFloat = type.dtype !== 'int32' && type.dtype !== 'bool'
  if (isFloatFeed !== wantsFloat || (!wantsFloat && dtype !== type.dtype) || !sameShape(shape, type.shape))
    throw wrong(
      name,
      type,
      showType({ dtype, shape }),
      sameShape(shape.slice(1), type.shape.slice(1))
        ? batchHint(type, shape[0] ?? 0)
        : channelsHint(type, elements(shape)),
    )
}

const checkedNumbers = (name: string, type: Type, given: ArrayBufferView): Numbers => {
  const isBytes = given instanceof Uint8Array || given instanceof Uint8ClampedArray
  const fits =
    type.dtype === 'bool'
      ? given instanceof Uint8Array
      : type.dtype === 'int32'
        ? given instanceof Int32Array || isBytes
        : given instanceof Float32Array || isBytes
  if (!fits || !isNumeric(given))
    throw wrong(
      name,
      type,
      `a ${given.constructor.name}`,
      `feed ${type.dtype === 'bool' ? 'a Uint8Array' : type.dtype === 'int32' ? 'an Int32Array' : 'a Float32Array or Uint8Array'}`,
    )
  if (given.length !== elements(type.shape))
    throw wrong(
      name,
      type,
      `${given.length} values instead of ${elements(type.shape)}`,
      [channelsHint(type, given.length), batchHint(type, given.length / elements(type.shape.slice(1)))]
        .filter((hint) => hint !== undefined)
        .join('; ') || undefined,
    )
  if (type.dtype === 'bool') {
    const at = given.findIndex((x) => x > 1)
    if (at >= 0) throw wrong(name, type, `${given[at]} at element ${at}`, 'a bool is 0 or 1: mask.map((x) => +(x > 0))')
  }
  return given
}
/** A batch size other than the compiled one is a common mistake. A type does not tell which axis is the batch, so this is a guess. */
const batchHint = ({ shape: [batch = 1, ...row] }: Type, rows: number): string | undefined =>
  row.length === 0 || !Number.isInteger(rows) || rows === 0 || rows === batch
    ? undefined
    : `if these are ${rows} rows, compile(model, { batch: ${rows} }) takes them; this executable takes ${batch} a run`
/** So is a picture of three channels for a model of one, or the other way round. Grey rows may come to the same number of values. */
const channelsHint = ({ shape }: Type, count: number): string | undefined => {
  const wanted = shape.at(-1)
  if (shape.length !== 4 || (wanted !== 1 && wanted !== 3)) return undefined
  if ((count / elements(shape)) * wanted !== 4 - wanted) return undefined
  return wanted === 1
    ? 'if this is an RGB picture: this model takes 1 channel; readImage() and fromPixels() give grey with channels: 1'
    : 'if this is a grey picture: this model takes 3 channels; repeat each value three times'
}
const isNumeric = (given: ArrayBufferView): given is Numbers =>
  given instanceof Float32Array ||
  given instanceof Int32Array ||
  given instanceof Uint8Array ||
  given instanceof Uint8ClampedArray

/** A distribution was given, but a class index is expected. */
const isOneHot = (name: string, { dtype, shape }: Type, value: unknown): boolean =>
  name === 'label' && dtype === 'int32' && shape.length === 1 && Array.isArray(value)
const oneHotHint =
  "a label is the number of a class; for one-hot labels and other distributions use crossEntropy({ labels: 'distribution' })"

const fromNested = (name: string, type: Type, given: unknown): HostArray => {
  const data = hostArray(type.dtype, elements(type.shape))
  let at = 0
  const walk = (value: unknown, axis: number): void => {
    if (axis === type.shape.length) {
      const ok =
        type.dtype === 'bool'
          ? typeof value === 'boolean' || value === 0 || value === 1
          : typeof value === 'number' && (type.dtype !== 'int32' || value === (value | 0))
      if (!ok)
        throw wrong(
          name,
          type,
          `${showGiven(value)}${typeof value === 'bigint' ? 'n' : ''} as an element`,
          isOneHot(name, type, value) ? oneHotHint : undefined,
        )
      data[at++] = Number(value)
      return
    }
    if (!Array.isArray(value) || value.length !== type.shape[axis]) {
      throw wrong(
        name,
        type,
        Array.isArray(value)
          ? `a list of ${value.length} at axis ${axis}`
          : `${value === null ? 'null' : typeof value} at axis ${axis}`,
        (axis === 0 && Array.isArray(value) && Array.isArray(value[0]) ? batchHint(type, value.length) : undefined) ??
          (Array.isArray(value) && axis === type.shape.length - 1
            ? channelsHint(type, elements(type.shape.with(axis, value.length)))
            : undefined) ??
          'feed a typed array, a nested list of that shape, a tf.Tensor or a result',
      )
    }
    for (const item of value) walk(item, axis + 1)
  }
  walk(given, 0)
  return hostArrayOf(type.dtype, data)
}

const isTensorLike = (given: unknown): given is TensorLike =>
  typeof given === 'object' &&
  given !== null &&
  'dataId' in given &&
  'shape' in given &&
  Array.isArray(given.shape) &&
  'dtype' in given &&
  'data' in given &&
  typeof given.data === 'function'
