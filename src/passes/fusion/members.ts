/** The members of a kernel: the positions of its nodes, in ascending order. */

/** Merges two ascending lists. Each number occurs once. */
export const union = (a: readonly number[], b: readonly number[]): readonly number[] => {
  const merged: number[] = []
  let i = 0
  let k = 0
  while (i < a.length && k < b.length) {
    const x = a[i] as number
    const y = b[k] as number
    merged.push(x < y ? x : y)
    if (x <= y) i++
    if (y <= x) k++
  }
  for (; i < a.length; i++) merged.push(a[i] as number)
  for (; k < b.length; k++) merged.push(b[k] as number)
  return merged
}
