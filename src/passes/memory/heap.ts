/** A binary heap of numbers, compared by the caller's function. The smallest comes out first. */
export interface Heap {
  push(item: number): void
  /** Removes and returns the smallest; undefined if the heap is empty. */
  pop(): number | undefined
}

export const makeHeap = (isBefore: (a: number, b: number) => boolean): Heap => {
  const items: number[] = []
  const swap = (i: number, j: number): void => {
    const item = items[i] as number // both are in the heap
    items[i] = items[j] as number
    items[j] = item
  }
  const isLess = (i: number, j: number): boolean =>
    i < items.length && j < items.length && isBefore(items[i] as number, items[j] as number)
  return {
    push: (item) => {
      items.push(item)
      for (let at = items.length - 1; at > 0; ) {
        const parent = (at - 1) >> 1
        if (!isLess(at, parent)) break
        swap(at, parent)
        at = parent
      }
    },
    pop: () => {
      const least = items[0]
      const last = items.pop()
      if (last === undefined || items.length === 0) return least
      items[0] = last
      for (let at = 0; ; ) {
        const [left, right] = [2 * at + 1, 2 * at + 2]
        const child = isLess(right, left) ? right : left
        if (!isLess(child, at)) return least
        swap(at, child)
        at = child
      }
    },
  }
}
