/** Expresses reshapes as changes of coordinates. Merged dimensions become one linear number. A split dimension becomes the digits of its number. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import { elements } from '../../../ir/types.ts'
import type { Linear } from './kernel.ts'
import { fixed, scaled, sum } from './linear.ts'
import type { PhaseBuilder } from './phase-builder.ts'

/** Adjacent dimensions of both shapes with equal numbers of elements. */
interface Group {
  readonly from: readonly number[]
  readonly to: readonly number[]
}

/** The smallest groups of dimensions, without dimensions of size 1; null for tensors without elements. */
const groupsOf = (from: readonly number[], to: readonly number[]): readonly Group[] | null => {
  const large = (shape: readonly number[]): number[] => shape.flatMap((size, at) => (size === 1 ? [] : [at])).reverse()
  if (elements(from) === 0) return null
  const [left, right] = [large(from), large(to)]
  const groups: Group[] = []
  while (left.length > 0) {
    const group = { from: [left.pop() as number], to: [right.pop() as number] }
    const count = (shape: readonly number[], axes: readonly number[]): number =>
      elements(axes.map((at) => shape[at] as number))
    for (;;) {
      const [a, b] = [count(from, group.from), count(to, group.to)]
      if (a === b) break
      if (a < b) group.from.push(left.pop() as number)
      else group.to.push(right.pop() as number)
    }
    groups.push(group)
  }
  return groups
}

/** Can axes be split so that each dimension of either shape is a product of axes? */
export const isCleanReshape = (from: readonly number[], to: readonly number[]): boolean =>
  groupsOf(from, to)?.every((group) => {
    const sizes = (shape: readonly number[], axes: readonly number[]) => axes.map((at) => shape[at] as number)
    const ends = [...stridesOf(sizes(from, group.from)), ...stridesOf(sizes(to, group.to))].sort((a, b) => a - b)
    return ends.every((end, i) => i === 0 || end % (ends[i - 1] as number) === 0)
  }) ?? false

/** The coordinates in the operand of a reshape; null if they are not linear. May split axes of `p`. */
export const reshapedPosition = (
  at: readonly Linear[],
  from: readonly number[],
  to: readonly number[],
  p: PhaseBuilder,
): readonly Linear[] | null => {
  const position: Linear[] = from.map(() => fixed(0))
  for (const group of groupsOf(from, to) ?? [{ from: [], to: [] }]) {
    const [first] = group.to
    if (first === undefined) return null
    const own = group.to.map((axis) => at[axis] as Linear)
    if (own.length > 1 && own.some(({ divisor }) => divisor !== 1)) return null
    const strides = stridesOf(group.to.map((axis) => to[axis] as number))
    const flat = own.length === 1 ? (at[first] as Linear) : sum(own.map((x, i) => scaled(x, strides[i] as number)))
    const digits =
      group.from.length === 1
        ? [flat]
        : p.digits(
            flat,
            group.from.map((axis) => from[axis] as number),
          )
    if (digits === null) return null
    group.from.forEach((axis, i) => {
      position[axis] = digits[i] as Linear
    })
  }
  return position
}
