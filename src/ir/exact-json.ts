/** JSON as a key: unlike in plain JSON, -0, NaN and infinities differ from all else. Equal data gives equal text if its properties are in the same order. */
export const exactJson = (value: unknown): string =>
  // A call for each part takes many times as long as plain JSON.
  hasSpecialNumber(value)
    ? JSON.stringify(value, (_, part: unknown) => (isSpecialNumber(part) ? `number ${exactNumber(part)}` : part))
    : JSON.stringify(value)

/** The same for the attributes of a node, written once: several passes compare the nodes of a graph. */
export const attrsJson = (attrs: object): string => {
  if (Object.keys(attrs).length === 0) return '{}' // most nodes have none
  const known = written.get(attrs)
  if (known !== undefined) return known
  const text = exactJson(attrs)
  // Only what is frozen stays the same. Nodes are frozen with all their parts.
  if (Object.isFrozen(attrs)) written.set(attrs, text)
  return text
}
const written = new WeakMap<object, string>()

/** A number as a key: -0 differs from 0. */
export const exactNumber = (x: number): string => (Object.is(x, -0) ? '-0' : String(x))

/** Numbers that plain JSON does not keep. */
const isSpecialNumber = (part: unknown): part is number =>
  typeof part === 'number' && (Object.is(part, -0) || !Number.isFinite(part))

/** Loops over indices and keys allocate nothing, unlike iterators: large data is written before the engine optimizes this function. */
const hasSpecialNumber = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return isSpecialNumber(value)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (hasSpecialNumber(value[i])) return true
    return false
  }
  for (const key in value) if (hasSpecialNumber((value as Record<string, unknown>)[key])) return true
  return false
}
