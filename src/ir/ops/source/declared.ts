import { dtypes, type Type } from '../../types.ts'

/** The declared type of a source, or what is wrong with it. */
export const declaredType = (declared: readonly Type[]): readonly [Type] | string => {
  const [type] = declared
  if (type === undefined || declared.length !== 1) return `C1: needs one declared type, got ${declared.length}`
  if (!dtypes.includes(type.dtype))
    return `C1: there is no element type "${String(type.dtype)}"; there are ${dtypes.join(', ')}`
  if (type.shape.some((size) => !Number.isSafeInteger(size) || size < 1))
    return `C1: sizes must be positive integers, got [${type.shape.join(',')}]`
  return [type]
}
