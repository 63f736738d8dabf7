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

/** Random sizes of axes: 1, odd sizes and primes more often than other sizes. */
export const anySize = (max = 13): Arbitrary<number> =>
  fc.oneof(
    fc.constantFrom(...[1, 2, 3, 5, 7, 11, 13].filter((size) => size <= max)),
    fc.integer({ min: 1, max: Math.min(9, max) }),
  )

/** Random types of any dtype, of rank 0 to 4, with at most `elementsMax` elements (default 256). */
export const anyType = ({ elementsMax = 256 }: { readonly elementsMax?: number } = {}): Arbitrary<Type> =>
  fc
    .record({
      dtype: fc.constantFrom<DType>('float32', 'float16', 'bfloat16', 'int32', 'bool'),
      rank: fc.nat(4),
      sizes: fc.tuple(anySize(), anySize(), anySize(), anySize()),
    })
    .map(({ dtype, rank, sizes }) => {
      const shape: number[] = []
      // A size that would make too many elements becomes 1.
      for (const size of sizes.slice(0, rank)) shape.push(elements(shape) * size <= elementsMax ? size : 1)
      return { dtype, shape }
    })

/** Random float32 numbers of all kinds: moderate, subnormal, huge, tiny, zeros of both signs, and with `finite: false` NaN and infinities. */
export const anyNumber = ({ finite = true }: { readonly finite?: boolean } = {}): Arbitrary<number> =>
  fc.oneof(
    { weight: 4, arbitrary: moderate() },
    { weight: 1, arbitrary: fc.constantFrom(0, -0, 1, -1) },
    // Powers of two, so that they are exact: subnormal numbers begin at 2^-127.
    { weight: 1, arbitrary: fc.tuple(fc.integer({ min: -149, max: -127 }), sign).map(([e, s]) => s * 2 ** e) },
    { weight: 1, arbitrary: fc.tuple(fc.integer({ min: 100, max: 127 }), sign).map(([e, s]) => s * 2 ** e) },
    { weight: 1, arbitrary: fc.tuple(fc.integer({ min: -126, max: -100 }), sign).map(([e, s]) => s * 2 ** e) },
    ...(finite ? [] : [{ weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, -Infinity) }]),
  )
const sign = fc.constantFrom(1, -1)

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
