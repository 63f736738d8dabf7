/** Shared parts of optimizers: type rules, the guard. */
import type { RefTensor } from '../../op-def.ts'
import { sameShape, showType, type Type } from '../../types.ts'

/** C1: the variable, its gradient and its slots are float32 of one shape. */
export const checkSlots = (values: readonly Type[]): string | null => {
  const [first] = values
  const odd = values.find((v) => v.dtype !== 'float32' || first === undefined || !sameShape(v.shape, first.shape))
  return odd === undefined ? null : `C1: float32 of one shape is needed, got ${values.map(showType).join(', ')}`
}

/** C2: scalars of the given dtypes. */
export const checkScalars = (values: readonly Type[], dtypes: readonly Type['dtype'][]): string | null =>
  values.every((v, i) => v.shape.length === 0 && v.dtype === dtypes[i])
    ? null
    : `C2: scalars ${dtypes.join(', ')} are needed, got ${values.map(showType).join(', ')}`

/** C3: the old values if `finite` is false; then the computed values, also NaN, have no effect. */
export const guarded = (
  finite: RefTensor,
  news: readonly Float64Array[],
  olds: readonly RefTensor[],
): readonly Float64Array[] => (finite.data[0] === 1 ? news : olds.map((old) => old.data))

export const optimizerConstraints = [
  'C1: the variable, its gradient and its slots are float32 of one shape',
  'C2: learning rate, step and finite are scalars float32, int32, bool',
  'C3: where finite is false every result is the old value',
] as const
