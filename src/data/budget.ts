/** A limit on the memory of concurrent work in all threads together. Work beyond the limit waits. */

export interface Budget {
  /** Runs the work when there is room for it, in the order of this thread's calls. Work that needs more than the limit runs alone. */
  during<T>(bytes: number, work: () => Promise<T>): Promise<T>
  /** Runs the work while no other work runs. */
  alone<T>(work: () => Promise<T>): Promise<T>
}

/** Counts of bytes, in memory that threads share. */
export interface Ledger {
  /** The bytes in use by all threads, and the limit. */
  readonly common: BigInt64Array<SharedArrayBuffer>
  /** The bytes in use by one thread. They are released when the thread ends. */
  readonly own: BigInt64Array<SharedArrayBuffer>
}
const usedAt = 0
const limitAt = 1
const moreThanAnyLimit = Number.MAX_SAFE_INTEGER

const cells = (count: number): BigInt64Array<SharedArrayBuffer> => new BigInt64Array(new SharedArrayBuffer(8 * count))

export const ledgerOf = (limit: number): Ledger => {
  const common = cells(2)
  common[limitAt] = BigInt(limit)
  return { common, own: cells(1) }
}

/** The same ledger for another thread. */
export const sharedLedger = ({ common }: Ledger): Ledger => ({ common, own: cells(1) })

/** Releases all bytes of a thread that has ended. */
export const giveBackAll = (ledger: Ledger): void => giveBack(ledger, Atomics.load(ledger.own, 0))

const giveBack = ({ common, own }: Ledger, bytes: bigint): void => {
  Atomics.sub(own, 0, bytes)
  Atomics.sub(common, usedAt, bytes)
  Atomics.notify(common, usedAt)
}

/** @returns null if there was room, else the bytes in use */
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
  const during = async <T>(amount: number, work: () => Promise<T>): Promise<T> => {
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
  }
  return { during, alone: (work) => during(moreThanAnyLimit, work) }
}

/** The limit on bytes of pixels that are decoded concurrently: two pictures of 64 megapixels. */
export const decodingLedger = ledgerOf(512 * 2 ** 20)

let decoding = budgetOf(decodingLedger)
/** The decoding budget of this thread. */
export const decodingBudget = (): Budget => decoding
/** Sets the ledger of a worker, which the thread that started it has made. */
export const useDecodingLedger = (ledger: Ledger): void => {
  decoding = budgetOf(ledger)
}
