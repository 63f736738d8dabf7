/** Lowers reductions over axes (sum, maximum and others), arg-max and top-k. */
import type { ReductionOps } from '../../../ir/signatures.ts'
import { type DType, isFloat, type Ref } from '../../../ir/types.ts'
import type { Source } from './from-graph.ts'
import { coordinatesOf } from './linear.ts'
import { combined, type Hero, stored } from './hero.ts'
import type { Linear, Monoid } from './kernel.ts'
import { PhaseBuilder } from './phase-builder.ts'

/** The coordinates in the operand: `kept` for the dimensions that stay, `gone` for the reduced dimensions. */
const spread = (
  rank: number,
  axes: readonly number[],
  kept: readonly Linear[],
  gone: readonly Linear[],
  keepDims: boolean,
): readonly Linear[] => {
  const others = Array.from({ length: rank }, (_, i) => i).filter((i) => !axes.includes(i))
  return Array.from({ length: rank }, (_, i) => {
    const at = axes.indexOf(i)
    return (at >= 0 ? gone[at] : kept[keepDims ? i : others.indexOf(i)]) as Linear
  })
}

export const reduction =
  (monoid: Monoid): Hero<Exclude<keyof ReductionOps, 'argMax' | 'topK'>> =>
  ({ inputs: [x], attrs: { axes, keepDims }, types: [type], at }, source, p) => {
    const { shape } = source.typeOf(x)
    const sizes = axes.map((at) => shape[at] as number)
    return combined(type, p, sizes, (gone) => ({
      monoid,
      factors: [source.pull(x, spread(shape.length, axes, at, gone, keepDims), p)],
      guard: null,
    }))
  }

export const lowerArgMax: Hero<'argMax'> = ({ inputs: [x], attrs: { axis }, types: [type], at }, source, p) => {
  const { shape } = source.typeOf(x)
  return combined(type, p, [shape[axis] as number], (gone) => ({
    monoid: 'argmax',
    factors: [source.pull(x, spread(shape.length, [axis], at, gone, false), p)],
    guard: null,
  }))
}

/**
 * The rank of an element is the number of elements that precede it. Result k is the element of rank k, selected by a maximum over that single
 * element. A sum would not be exact: 0 + -0 is 0.
 */
export const lowerTopK: Hero<'topK'> = ({ inputs: [x], types, port, at: result }, source, p) => {
  const { shape } = source.typeOf(x)
  const ranks = source.once(`ranks ${x.id}.${x.port}`, () => ranksOf(x, source))
  return combined(types[port as 0 | 1], p, [shape.at(-1) as number], ([place]) => {
    const at = [...result.slice(0, -1), place as Linear]
    const found = p.load(ranks, coordinatesOf(at, shape), 'int32')
    const wanted = p.index(result.at(-1) as Linear)
    return {
      monoid: 'max',
      factors: [port === 0 ? source.pull(x, at, p) : p.index(place as Linear)],
      guard: p.op('compare', [found, wanted], 'bool', { direction: 'eq' }),
    }
  })
}

const ranksOf = (x: Ref, source: Source): number => {
  const { dtype, shape } = source.typeOf(x)
  const p = new PhaseBuilder(shape)
  const here = p.point()
  const rank = combined({ dtype: 'int32', shape }, p, [shape.at(-1) as number], ([there]) => {
    const before = isBefore(
      { value: source.pull(x, [...here.slice(0, -1), there as Linear], p), at: there as Linear },
      { value: source.pull(x, here, p), at: here.at(-1) as Linear },
      dtype,
      p,
    )
    return {
      monoid: 'sum',
      factors: [p.cast(before, 'int32')],
      guard: null,
    }
  })
  return stored(rank, { dtype: 'int32', shape }, p, source)
}

interface Ranked {
  readonly value: number
  readonly at: Linear
}

/** The order of top-k: NaN first, then larger elements; among equal elements the lower index first. */
const isBefore = (a: Ranked, b: Ranked, dtype: DType, p: PhaseBuilder): number => {
  const compare = (direction: 'eq' | 'ne' | 'gt' | 'lt', x: number, y: number): number =>
    p.op('compare', [x, y], 'bool', { direction })
  const both = (x: number, y: number): number => p.op('and', [x, y], 'bool')
  const either = (x: number, y: number): number => p.op('or', [x, y], 'bool')
  const isEarlier = compare('lt', p.index(a.at), p.index(b.at))
  const [larger, equal] = [compare('gt', a.value, b.value), compare('eq', a.value, b.value)]
  if (!isFloat(dtype)) return either(larger, both(equal, isEarlier))
  const [isNan, otherIsNan] = [compare('ne', a.value, a.value), compare('ne', b.value, b.value)]
  const isLarger = either(larger, both(isNan, p.op('not', [otherIsNan], 'bool')))
  return either(isLarger, both(either(equal, both(isNan, otherIsNan)), isEarlier))
}
