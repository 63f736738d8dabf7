/** Gradients inside a graph() body, for users' own steps. */
import { builderOf, isValue } from '../../ir/build.ts'
import { EffuseError, showGiven } from '../../ir/diagnostics.ts'
import { type DType, type Float, showType } from '../../ir/types.ts'
import { makeValue, type Scalar, type Value } from '../../ir/value.ts'
import { reverse } from './reverse.ts'

/**
 * Gradients of a float32 scalar with respect to values of the same graph: one per value, with its shape and dtype; zeros if the scalar does
 * not depend on it. They are ordinary values, and can be differentiated again if the ops allow it.
 *
 * @throws EffuseError EF101 (not a scalar, not values), EF110 (another graph), EF303 (an op on the path cannot be differentiated).
 * @example
 * graph('parabola', { x: float32(3) }, ({ x }) => {
 *   const [slope] = gradients(reduceSum(mul(x, x)), [x]) // 2 x
 *   return { slope }
 * })
 */
export const gradients = <const V extends readonly Value<Float>[]>(
  scalar: Scalar,
  values: V,
): { readonly [K in keyof V]: V[K] extends Value<infer D extends DType, infer R> ? Value<D, R> : never } => {
  checkArguments(scalar, values)
  const b = builderOf(scalar)
  const found = reverse(
    {
      nodes: b.nodes,
      emitterFor: (node) => b.emitterAt(`grad(${node.path})`),
    },
    scalar,
    values,
  )
  return found.map((g) => makeValue(b, g, g)) as ReturnType<typeof gradients<V>> // one per value, of its type: the ops' gradients are
}

/** Callers without types may pass anything, and values of another graph may have the same ids. */
const checkArguments = (scalar: unknown, values: unknown): void => {
  const wrong = (what: string, came: unknown): EffuseError =>
    new EffuseError({
      code: 'EF101',
      message: `gradients: ${what} needed, got ${isValue(came) ? showType(came) : showGiven(came)}`,
      hint: 'write gradients(loss, [x, w])',
    })
  if (!isValue(scalar)) throw wrong('a scalar of the graph is', scalar)
  if (!Array.isArray(values)) throw wrong('a list of values is', values)
  for (const value of values) {
    if (!isValue(value)) throw wrong('values of the graph are', value)
    if (builderOf(value) !== builderOf(scalar))
      throw new EffuseError({
        code: 'EF110',
        message: 'gradients: a value is of another graph than the scalar',
        hint: 'a value can be used only in the body that made it; return it, or pass it as an input',
      })
  }
}
