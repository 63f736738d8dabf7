/** Memory that work in flight may take: what would be too much waits. */

export interface Budget {
  /** Does the work when there is room for it, in the order of the calls. What needs more than all there is has it for itself. */
  during<T>(bytes: number, work: () => Promise<T>): Promise<T>
  /** Bytes there are. */
  limit: number
}

export const budgetOf = (limit: number): Budget => {
  let used = 0
  const waiting: { readonly bytes: number; readonly begin: () => void }[] = []
  const admit = (): void => {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      if (used > 0 && used + first.bytes > budget.limit) return
      waiting.shift()
      used += first.bytes
      first.begin()
    }
  }
  const budget: Budget = {
    limit,
    during: async (bytes, work) => {
      await new Promise<void>((resolve) => {
        waiting.push({ bytes, begin: resolve })
        admit()
      })
      try {
        return await work()
      } finally {
        used -= bytes
        admit()
      }
    },
  }
  return budget
}

/** Bytes of pixels being decoded at once, in all threads together: two pictures of 64 megapixels. */
export const decodingBytesMax = 512 * 2 ** 20

/** This thread's share; a worker is told its own. */
export const decodingBudget = budgetOf(decodingBytesMax)
