/** Building blocks for generators: shapes, numbers, tensors. */
import { type Arbitrary, fc } from './fast-check.ts'
import type { DType, Type } from '../ir/types.ts'
import { elements } from '../ir/types.ts'
import type { CaseInput } from './op-case.ts'

/** A shape of the given ranks with sizes from 1 to max. Shrinks to few small axes. */
export const shapeArb = (
  ranks: { readonly min?: number; readonly max?: number } = {},
  sizeMax = 4,
): Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: sizeMax }), { minLength: ranks.min ?? 0, maxLength: ranks.max ?? 4 })

/** Floats of moderate size on a grid of 1/64: exact in float32 and float16, nearly exact in bfloat16. */
export const moderate = (min = -4, max = 4): Arbitrary<number> =>
  fc.integer({ min: Math.ceil(min * 64), max: Math.floor(max * 64) }).map((n) => n / 64)

/** A tensor of a type with elements from `element` (default: by dtype). */
export const tensorArb = (type: Type, element: Arbitrary<number> = elementArb(type.dtype)): Arbitrary<CaseInput> =>
  fc
    .array(element, { minLength: elements(type.shape), maxLength: elements(type.shape) })
    .map((data) => ({ type, data }))

/** A tensor of distinct elements: a shuffle of neighbours on the grid of 1/64. Exact in every float type up to 256 elements. */
export const distinctArb = (type: Type): Arbitrary<CaseInput> => {
  const size = elements(type.shape)
  const grid = Array.from({ length: size }, (_, i) => (i - Math.floor(size / 2)) / 64)
  return fc.shuffledSubarray(grid, { minLength: size, maxLength: size }).map((data) => ({ type, data }))
}

/** Are all elements distinct? Those of `moderate` and `distinctArb` then keep their order if one changes by less than 1/128. */
export const isDistinct = (x: CaseInput): boolean => new Set(x.data).size === x.data.length

export const elementArb = (dtype: DType): Arbitrary<number> =>
  dtype === 'bool'
    ? fc.integer({ min: 0, max: 1 })
    : dtype === 'int32'
      ? fc.integer({ min: -100, max: 100 })
      : moderate()
