/** Elementwise programs over operands with repeated axes. A lowering supplies one expression. */
import type { DType, Type } from '../../../ir/types.ts'
import { as, stored } from '../lower/shared.ts'
import type { Planner } from '../planner.ts'
import { collapsedShapes, jointShape, type View } from '../view.ts'
import { broadcastIndex, resultCoordinates } from './index-math.ts'
import { Parameters } from './parameters.ts'

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'] as const

/** An expression of the operands' elements a, b, c … in this order, as f32, i32 or bool. */
export interface Mapping {
  readonly name: string
  readonly inputs: readonly View[]
  readonly type: Type
  /** The expression, of the result's element type; a bool for bool. */
  readonly expression: string
  /** The parameters of the expression. */
  readonly parameters?: Parameters | undefined
}

/** Computes the value in the smallest shape that contains its operands, so that results of small operands stay small. */
export const mapped = (
  { name, inputs, type, expression, parameters: p = new Parameters() }: Mapping,
  planner: Planner,
): View => {
  const shape = jointShape(inputs)
  const { result, operands } = collapsedShapes(inputs)
  // Operands with one known number become parameters.
  const read = inputs.flatMap((view, at) => (view.splat === null ? [{ view, own: operands[at] ?? [], at }] : []))
  const lets = inputs.map(({ splat, type: { dtype } }, at) => {
    const place = read.findIndex((entry) => entry.at === at)
    const element =
      splat === null ? `x${place}[${broadcastIndex(result, operands[at] ?? [], p)}]` : p.constant(splat, dtype)
    return `let ${names[at]} = ${loaded(element, dtype)};`
  })
  const own = read.map((entry) => entry.own)
  const body = [resultCoordinates(result, own, p), ...lets, `result[i] = ${kept(expression, type.dtype)};`].join('\n  ')
  const reads = read.map(({ view, own }) => as(stored(view), own))
  return {
    slot: planner.shader(name, reads, { dtype: type.dtype, shape }, { body, parameters: p }),
    shape,
    type,
    splat: null,
  }
}

/** An element, converted for expressions. */
export const loaded = (element: string, dtype: DType): string => (dtype === 'bool' ? `(${element} != 0)` : element)
/** An expression, converted for memory. */
export const kept = (expression: string, dtype: DType): string =>
  dtype === 'bool' ? `toBool(${expression})` : expression
