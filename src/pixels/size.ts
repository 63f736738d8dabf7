/** Limits on the size of pictures. */

/** No network needs larger inputs. The limit protects against typing mistakes, which would use all memory. */
export const sideMax = 1 << 14

/** Is it a pair of height and width, as in requests and options? */
export const isSize = (v: unknown): v is readonly [number, number] =>
  Array.isArray(v) && v.length === 2 && v.every((n) => Number.isSafeInteger(n) && n > 0 && n <= sideMax)
