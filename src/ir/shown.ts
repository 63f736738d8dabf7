/** Shows a handle as one line: for `console.log` in Node, and for template literals everywhere. */
import { shortList } from './listed.ts'

/** Node calls the method with this key to print an object. Other platforms ignore it. */
export const inspectKey: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

/** Gives a new handle its line. The added members are not enumerable, so equality, spread and JSON ignore them. */
export const shownAs = <T extends object>(handle: T, line: () => string): T =>
  Object.defineProperties(handle, { [inspectKey]: { value: line }, toString: { value: line } })

/** `x float32[2,3], y int32[2]` */
export const showTypes = (
  types: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly unknown[] }[],
): string => shortList(types.map(({ name, dtype, shape }) => `${name} ${dtype}[${shape.join(',')}]`))
