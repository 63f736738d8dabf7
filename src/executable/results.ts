/** What a run gives: handles of tensors that are still on the device. */
import type { DeviceTensor, HostArray } from '../backends/backend.ts'
import { dropTensor, heldTensor, holdTensor } from '../backends/common/held-tensors.ts'
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { shownAs } from '../ir/shown.ts'
import { showType, type DType } from '../ir/types.ts'
import type { Signature } from '../ir/value.ts'

type F32 = Float32Array<ArrayBuffer>
/** Half types arrive widened, exactly. */
export interface Arrays {
  float32: F32
  float16: F32
  bfloat16: F32
  int32: Int32Array<ArrayBuffer>
  bool: Uint8Array<ArrayBuffer>
}
export type Item<D extends DType> = D extends 'bool' ? boolean : number

/** A tensor that a run gave. Stays readable until disposed of, whatever runs after. */
export interface Result<D extends DType = DType, R extends number = number> {
  readonly dtype: D
  readonly rank: R
  readonly shape: readonly number[]
  /** Copies the values to the host, row-major. */
  data(): Promise<Arrays[D]>
  /** The one value of a scalar or a one-element tensor. */
  item(): Promise<Item<D>>
  /** Frees the memory on the device; reading afterwards is an error (EF406). */
  dispose(): void
}
export type Results<O extends Signature> = { readonly [K in keyof O]: Result<O[K]['dtype'], O[K]['rank']> }

export const isResult = (value: unknown): value is Result =>
  typeof value === 'object' && value !== null && heldTensor(value) !== null

export const makeResult = (name: string, tensor: DeviceTensor): Result => {
  const { dtype, shape } = tensor.type
  let isDisposed = false
  const data = async (): Promise<HostArray> => {
    if (isDisposed)
      throw new EffuseError({
        code: 'EF406',
        message: `the result "${name}" was disposed of`,
        hint: 'read it before dispose()',
      })
    return tensor.read()
  }
  const result: Result = {
    dtype,
    shape,
    rank: shape.length,
    data: data as Result['data'], // the backend reads the declared dtype's array
    item: async () => {
      const values = await data()
      if (values.length !== 1)
        throw new EffuseError({
          code: 'EF402',
          message: `item() is for one element; "${name}" has ${values.length}`,
          hint: 'use data()',
        })
      return dtype === 'bool' ? values[0] !== 0 : (values[0] as number)
    },
    dispose: () => {
      if (!isDisposed) tensor.dispose()
      isDisposed = true
      dropTensor(result)
    },
  }
  shownAs(result, () => {
    const what = `Result "${name}" ${showType(tensor.type)}`
    if (isDisposed) return `${what}, disposed of`
    return `${what}; its ${shape.length === 0 ? 'number: await result.item()' : 'numbers: await result.data()'}`
  })
  holdTensor(result, tensor)
  return Object.freeze(result)
}

/**
 * Every result of a run at once: scalars as numbers (bool ones as booleans), the rest as typed arrays, row-major.
 *
 * @throws EffuseError EF402 (no results), EF406 (one was disposed of).
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
