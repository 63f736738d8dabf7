/**
 * Tracks which bytes of a memory are in use. It knows addresses and sizes, and never accesses the memory. First fit: it takes the first free range
 * that is large enough. Adjacent free ranges are merged. Blocks start at multiples of 64, and their sizes are multiples of 64.
 */

/** Alignment of every block: a cache line, which packed operands need. */
export const blockAlignment = 64

export interface Allocator {
  /** Allocates a block and returns its address; null if no free range is large enough. */
  allocate(bytes: number): number | null
  /** Frees a block. @throws RangeError if no block starts there */
  free(address: number): void
  /** Adds the bytes from the old end of the memory to the new end. */
  extend(end: number): void
  /** The end of the memory. */
  readonly end: number
  /** Bytes in use. */
  readonly usedBytes: number
  /** Size of the free range at the end of the memory. */
  readonly freeAtEnd: number
}

/** Rounds up to whole blocks. A block has at least 64 bytes, so that all addresses differ. */
export const blockBytes = (bytes: number): number => Math.max(1, Math.ceil(bytes / blockAlignment)) * blockAlignment

/** @param start and @param end are multiples of 64. */
export const makeAllocator = (start: number, end: number): Allocator => {
  /** Free ranges by ascending address. No two are adjacent. */
  const [starts, ends]: [number[], number[]] = end > start ? [[start], [end]] : [[], []]
  const sizes = new Map<number, number>()
  const state = { end, used: 0 }
  const giveBack = (from: number, to: number): void => {
    const at = firstAfter(starts, from)
    const joinsLeft = at > 0 && ends[at - 1] === from
    const joinsRight = starts[at] === to
    if (joinsLeft && joinsRight) {
      ends[at - 1] = ends[at] as number // the range at `at` starts where this range ends
      starts.splice(at, 1)
      ends.splice(at, 1)
    } else if (joinsLeft) ends[at - 1] = to
    else if (joinsRight) starts[at] = from
    else {
      starts.splice(at, 0, from)
      ends.splice(at, 0, to)
    }
  }
  return {
    allocate: (bytes) => {
      const size = blockBytes(bytes)
      const at = starts.findIndex((from, i) => (ends[i] as number) - from >= size) // there are as many ends as starts
      if (at < 0) return null
      const address = starts[at] as number // found
      if (address + size === ends[at]) {
        starts.splice(at, 1)
        ends.splice(at, 1)
      } else starts[at] = address + size
      sizes.set(address, size)
      state.used += size
      return address
    },
    free: (address) => {
      const size = sizes.get(address)
      if (size === undefined) throw new RangeError(`no block starts at ${address}`)
      sizes.delete(address)
      state.used -= size
      giveBack(address, address + size)
    },
    extend: (to) => {
      if (to <= state.end) return
      giveBack(state.end, to)
      state.end = to
    },
    get end() {
      return state.end
    },
    get usedBytes() {
      return state.used
    },
    get freeAtEnd() {
      return ends.at(-1) === state.end ? state.end - (starts.at(-1) as number) : 0 // there is a last range
    },
  }
}

/** The index of the first number that is larger. */
const firstAfter = (numbers: readonly number[], than: number): number => {
  let [low, high] = [0, numbers.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((numbers[middle] as number) <= than) low = middle + 1
    else high = middle
  }
  return low
}
