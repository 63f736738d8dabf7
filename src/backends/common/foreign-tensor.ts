/** Tensors that live elsewhere: those of other backends and of other copies of tfjs are read through the host. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { elements, showType, type Type } from '../../ir/types.ts'

/**
 * The numbers of anything with a method `data()`, a tf.Tensor say; the caller has checked shape and dtype.
 * @throws EffuseError EF402 where it cannot be read, or was disposed of.
 */
export const readForeign = async (name: string, type: Type, native: unknown): Promise<ArrayLike<number>> => {
  const numbers = await dataOf(native).catch(() => null)
  if (numbers !== null && numbers.length === elements(type.shape)) return numbers
  throw new EffuseError({
    code: 'EF402',
    message: `the input "${name}" is ${showType(type)}; what was fed is no tensor that can be read, or was disposed of`,
    hint: 'feed a typed array, a nested list, a tf.Tensor or a result of this backend',
  })
}

const dataOf = async (native: unknown): Promise<ArrayLike<number> | null> =>
  typeof native === 'object' && native !== null && 'data' in native && typeof native.data === 'function'
    ? await (native as { data(): Promise<ArrayLike<number>> }).data() // as a method: a tf.Tensor needs its `this`
    : null
