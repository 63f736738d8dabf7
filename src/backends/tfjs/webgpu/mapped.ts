/** Elementwise programs over operands that repeat along axes: what a lowering says is one expression. */
import type { DType, Type } from '../../../ir/types.ts'
import { as, stored } from '../lower/shared.ts'
import type { Planner } from '../planner.ts'
import { collapsedShapes, jointShape, type View } from '../view.ts'
import { broadcastIndex, resultCoordinates } from './index-math.ts'
import { Parameters } from './parameters.ts'

const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'] as const

/** An expression of the operands' elements a, b, c … in this order: f32, i32, or bool where the operand is. */
export interface Mapping {
  readonly name: string
  readonly inputs: readonly View[]
  readonly type: Type
  /** Of the result's element type; a bool for bool. */
  readonly expression: string
  /** Those of the expression. */
  readonly parameters?: Parameters | undefined
}

/** The value in the smallest shape that holds its operands: what is computed of small operands stays small. */
export const mapped = (
  { name, inputs, type, expression, parameters: p = new Parameters() }: Mapping,
  planner: Planner,
): View => {
  const shape = jointShape(inputs)
  const { result, operands } = collapsedShapes(inputs)
  // Known numbers are parameters.
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

/** An element as expressions take it. */
export const loaded = (element: string, dtype: DType): string => (dtype === 'bool' ? `(${element} != 0)` : element)
/** An expression as memory takes it. */
export const kept = (expression: string, dtype: DType): string =>
  dtype === 'bool' ? `toBool(${expression})` : expression
