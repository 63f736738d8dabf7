/** What `console.log` of a handle prints in Node, and what a template literal makes of it anywhere: one line instead of its parts. */
import { shortList } from './listed.ts'

/** Node looks for it on whatever it prints; elsewhere it is a symbol like any other. */
export const inspectKey: unique symbol = Symbol.for('nodejs.util.inspect.custom') as never

/** Gives a handle that is being made its line. The members cannot be enumerated: equality, spread and JSON see nothing of them. */
export const shownAs = <T extends object>(handle: T, line: () => string): T =>
  Object.defineProperties(handle, { [inspectKey]: { value: line }, toString: { value: line } })

/** `x float32[2,3], y int32[2]` */
export const showTypes = (
  types: readonly { readonly name: string; readonly dtype: string; readonly shape: readonly unknown[] }[],
): string => shortList(types.map(({ name, dtype, shape }) => `${name} ${dtype}[${shape.join(',')}]`))
