/** Reads tensors of other backends and of other copies of tfjs through the host. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { elements, showType, type Type } from '../../ir/types.ts'

/**
 * The numbers of an object with a method `data()`, for example a tf.Tensor. The caller has checked shape and dtype.
 * @throws EffuseError EF402 if it cannot be read, or was disposed of
 */
export const readForeign = async (name: string, type: Type, native: unknown): Promise<ArrayLike<number>> => {
  const numbers = await dataOf(native).catch(() => null)
  if (numbers !== null && numbers.length === elements(type.shape)) return numbers
  throw new EffuseError({
    code: 'EF402',
    message: `the input "${name}" is ${showType(type)}; the given value is not a readable tensor, or was disposed of`,
    hint: 'feed a typed array, a nested list, a tf.Tensor or a result of this backend',
  })
}

const dataOf = async (native: unknown): Promise<ArrayLike<number> | null> =>
  typeof native === 'object' && native !== null && 'data' in native && typeof native.data === 'function'
    ? await (native as { data(): Promise<ArrayLike<number>> }).data() // as a method, because a tf.Tensor needs its `this`
    : null
