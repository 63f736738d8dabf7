/** Texts of parts that have the same ops, and differ only in the sizes of their tensors, have the same class. */

const typeSizes = /\b(float32|float16|bfloat16|int32|bool)\[([\d,]+)\]/g
const shapeAttrs = /\b(shape|inputShape|filterShape)=\[([\d, ]+)\]/g

/**
 * The text with symbols for sizes. Sizes that are equal have the same symbol, and odd sizes have others than even ones, because the padding of
 * strides of 2 differs. A size of 1 stays, because such an axis may be broadcast. Other numbers stay: an attribute or a literal that depends on a size
 * makes another class.
 */
export const sizeClass = (text: string): string => {
  const symbols = new Map<number, string>()
  const symbol = (size: string): string => {
    const n = Number(size)
    if (n <= 1) return size
    const known = symbols.get(n) ?? `${n % 2 === 0 ? 'even' : 'odd'}${symbols.size}`
    symbols.set(n, known)
    return known
  }
  const all = (sizes: string): string =>
    sizes
      .split(',')
      .map((size) => symbol(size.trim()))
      .join(',')
  const pattern = new RegExp(`${typeSizes.source}|${shapeAttrs.source}`, 'g')
  return text.replaceAll(pattern, (_all, dtype: string, dims: string, attr: string, shape: string) =>
    dtype === undefined ? `${attr}=[${all(shape)}]` : `${dtype}[${all(dims)}]`,
  )
}
