/** The results of a run: handles of tensors that are still on the device. */
import type { Backend, DeviceTensor } from '../backends/backend.ts'
import { dropTensor, heldTensor, holdTensor } from '../backends/common/held-tensors.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { inspectKey } from '../ir/shown.ts'
import { showType, type DType } from '../ir/types.ts'
import { onDevice } from './device-loss.ts'
import type { Signature } from '../ir/value.ts'

type F32 = Float32Array<ArrayBuffer>
/** Half types are widened, which is exact. */
export interface Arrays {
  float32: F32
  float16: F32
  bfloat16: F32
  int32: Int32Array<ArrayBuffer>
  bool: Uint8Array<ArrayBuffer>
}
export type Item<D extends DType> = D extends 'bool' ? boolean : number

/** A result tensor of a run. It can be read until it is disposed of, also after later runs. */
export interface Result<D extends DType = DType, R extends number = number> {
  readonly dtype: D
  readonly rank: R
  readonly shape: readonly number[]
  /** Copies the values to the host, row-major. @throws EffuseError EF406 (disposed of), EF409 (the run ran out of memory), EF410 (device lost) */
  data(): Promise<Arrays[D]>
  /** The one value of a scalar or a one-element tensor. */
  item(): Promise<Item<D>>
  /** Frees the memory on the device; reading afterwards is an error (EF406). */
  dispose(): void
}
export type Results<O extends Signature> = { readonly [K in keyof O]: Result<O[K]['dtype'], O[K]['rank']> }

export const isResult = (value: unknown): value is Result =>
  typeof value === 'object' && value !== null && heldTensor(value) !== null

/** A class, so that the printing functions are on the prototype: a run makes several results. */
class TensorResult<D extends DType, R extends number> implements Result<D, R> {
  readonly dtype: D
  readonly shape: readonly number[]
  readonly rank: R
  readonly #name: string
  readonly #tensor: DeviceTensor
  readonly #backend: Backend
  #isDisposed = false

  constructor(name: string, tensor: DeviceTensor, backend: Backend) {
    this.#name = name
    this.#backend = backend
    this.#tensor = tensor
    this.dtype = tensor.type.dtype as D // dtype and rank are those of the model's output
    this.shape = tensor.type.shape
    this.rank = tensor.type.shape.length as R
    holdTensor(this, tensor)
    Object.freeze(this)
  }

  readonly data = async (): Promise<Arrays[D]> => {
    this.#ensureHeld()
    return onDevice(this.#backend, () => this.#tensor.read() as Promise<Arrays[D]>) // the backend reads the declared dtype's array
  }

  readonly item = async (): Promise<Item<D>> => {
    const values = await this.data()
    if (values.length !== 1)
      throw new EffuseError({
        code: 'EF402',
        message: `item() is for one element; "${this.#name}" has ${values.length}`,
        hint: 'use data()',
      })
    return (this.dtype === 'bool' ? values[0] !== 0 : values[0]) as Item<D>
  }

  readonly dispose = (): void => {
    if (!this.#isDisposed) this.#tensor.dispose()
    this.#isDisposed = true
    dropTensor(this)
  }

  #ensureHeld(): void {
    if (this.#isDisposed)
      throw new EffuseError({
        code: 'EF406',
        message: `the result "${this.#name}" was disposed of`,
        hint: 'read it before dispose()',
      })
  }

  toString(): string {
    const what = `Result "${this.#name}" ${showType(this.#tensor.type)}`
    if (this.#isDisposed) return `${what}, disposed of`
    return `${what}; its ${this.rank === 0 ? 'number: await result.item()' : 'numbers: await result.data()'}`
  }

  [inspectKey](): string {
    return this.toString()
  }
}

export const makeResult = (name: string, tensor: DeviceTensor, backend: Backend): Result =>
  new TensorResult(name, tensor, backend)

/**
 * Every result of a run at once: scalars as numbers (bool ones as booleans), the rest as typed arrays, row-major.
 *
 * @throws EffuseError EF402 (no results), EF406 (one was disposed of), EF409, EF410.
 * @example
 * const { probabilities, logits } = await read(await net.run({ image })) // Float32Array [1 * classes] each
 */
export const read = async <R extends { readonly [name: string]: Result }>(
  results: R,
): Promise<{ [K in keyof R]: R[K] extends Result<infer D, infer N> ? (N extends 0 ? Item<D> : Arrays[D]) : never }> => {
  const wrong = Object.entries<unknown>(results ?? {}).find(
    ([, result]) => typeof result !== 'object' || result === null || !('data' in result),
  )
  if (typeof results !== 'object' || results === null || wrong !== undefined)
    throw new EffuseError({
      code: 'EF402',
      message: `read() takes results by name, got ${wrong === undefined ? showGiven(results) : `${showGiven(wrong[1])} as "${wrong[0]}"`}`,
      hint: 'read(await net.run({ … }))',
    })
  const entries = await Promise.all(
    Object.entries(results).map(async ([name, result]) => [
      name,
      result.rank === 0 ? await result.item() : await result.data(),
    ]),
  )
  return Object.fromEntries(entries)
}
