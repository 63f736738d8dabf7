/** Memory that work in flight may take, in all threads together: what would be too much waits. */

export interface Budget {
  /** Does the work when there is room for it, in the order of this thread's calls. What needs more than all there is has it for itself. */
  during<T>(bytes: number, work: () => Promise<T>): Promise<T>
}

/** Numbers of bytes, in memory that threads share. */
export interface Ledger {
  /** In use by all threads, and the limit. */
  readonly common: BigInt64Array<SharedArrayBuffer>
  /** In use by one thread: what it had is given back when it comes to an end. */
  readonly own: BigInt64Array<SharedArrayBuffer>
}
const usedAt = 0
const limitAt = 1

const cells = (count: number): BigInt64Array<SharedArrayBuffer> => new BigInt64Array(new SharedArrayBuffer(8 * count))

export const ledgerOf = (limit: number): Ledger => {
  const common = cells(2)
  common[limitAt] = BigInt(limit)
  return { common, own: cells(1) }
}

/** The same for another thread. */
export const sharedLedger = ({ common }: Ledger): Ledger => ({ common, own: cells(1) })

/** Of a thread that has come to an end, all that it had. */
export const giveBackAll = (ledger: Ledger): void => giveBack(ledger, Atomics.load(ledger.own, 0))

const giveBack = ({ common, own }: Ledger, bytes: bigint): void => {
  Atomics.sub(own, 0, bytes)
  Atomics.sub(common, usedAt, bytes)
  Atomics.notify(common, usedAt)
}

/** @returns null where there was room, else what was in use */
const take = ({ common, own }: Ledger, bytes: bigint): bigint | null => {
  for (;;) {
    const used = Atomics.load(common, usedAt)
    if (used > 0n && used + bytes > Atomics.load(common, limitAt)) return used
    if (Atomics.compareExchange(common, usedAt, used, used + bytes) !== used) continue
    Atomics.add(own, 0, bytes)
    return null
  }
}

export const budgetOf = (ledger: Ledger): Budget => {
  const waiting: { readonly bytes: bigint; readonly begin: () => void }[] = []
  let isWatching = false
  const admit = (): void => {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const used = take(ledger, first.bytes)
      if (used !== null) {
        watch(used)
        return
      }
      waiting.shift()
      first.begin()
    }
  }
  const watch = (used: bigint): void => {
    if (isWatching) return
    isWatching = true
    void Promise.resolve(Atomics.waitAsync(ledger.common, usedAt, used).value).then(() => {
      isWatching = false
      admit()
    })
  }
  return {
    during: async (amount, work) => {
      const bytes = BigInt(Math.ceil(amount))
      await new Promise<void>((resolve) => {
        waiting.push({ bytes, begin: resolve })
        admit()
      })
      try {
        return await work()
      } finally {
        giveBack(ledger, bytes)
        admit()
      }
    },
  }
}

/** Bytes of pixels being decoded at once: two pictures of 64 megapixels. */
export const decodingLedger = ledgerOf(512 * 2 ** 20)

let decoding = budgetOf(decodingLedger)
/** That of this thread. */
export const decodingBudget = (): Budget => decoding
/** In a worker: the ledger that the thread that began it has made for it. */
export const useDecodingLedger = (ledger: Ledger): void => {
  decoding = budgetOf(ledger)
}
