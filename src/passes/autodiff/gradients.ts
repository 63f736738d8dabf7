/** Gradients inside a graph() body, for users' own steps. */
import { builderOf } from '../../ir/build.ts'
import type { DType, Float } from '../../ir/types.ts'
import { makeValue, type Scalar, type Value } from '../../ir/value.ts'
import { reverse } from './reverse.ts'

/**
 * Gradients of a float32 scalar by values of the same graph: one per value, of its shape and dtype; zeros where the scalar does not
 * depend on it. They are values like any other, and can be differentiated again where the ops allow it.
 *
 * @throws EffuseError EF101 (not a scalar), EF110 (another graph), EF303 (an op on the way cannot be differentiated).
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
  const b = builderOf(scalar)
  const found = reverse({ nodes: b.nodes, emitterFor: (node) => b.emitterAt(`grad(${node.path})`) }, scalar, values)
  return found.map((g) => makeValue(b, g, g)) as ReturnType<typeof gradients<V>> // one per value, of its type: the ops' gradients are
}
