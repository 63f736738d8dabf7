/** How large pictures may be. */

/** Far above any network's input: a typing error would ask for all memory. */
export const sideMax = 1 << 14

/** A height and width, as requests and options have them. */
export const isSize = (v: unknown): v is readonly [number, number] =>
  Array.isArray(v) && v.length === 2 && v.every((n) => Number.isSafeInteger(n) && n > 0 && n <= sideMax)
