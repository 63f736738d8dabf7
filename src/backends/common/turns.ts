/** Turns on a shared object run one after another in the order of the calls, also after failed ones. */
import type { Store, StoreTurn } from '../backend.ts'

export interface TurnQueue {
  /** Runs `work` when all earlier turns have ended. */
  turn<T>(work: () => T | Promise<T>): Promise<T>
}

export const makeTurnQueue = (): TurnQueue => {
  let last: Promise<unknown> = Promise.resolve()
  return {
    turn: (work) => {
      const next = last.then(work)
      last = next.catch(() => {})
      return next
    },
  }
}

/**
 * One turn on several stores at once. It enters all queues at the call, so that two calls for the same stores have the same order in each queue and
 * cannot wait for each other.
 */
export const jointTurn = async <T>(
  stores: readonly Store[],
  work: (turns: readonly StoreTurn[]) => T | Promise<T>,
): Promise<T> => {
  const distinct = [...new Set(stores)]
  let release = (): void => {}
  const ended = new Promise<void>((resolve) => {
    release = resolve
  })
  const begun = distinct.map(
    (store) =>
      new Promise<readonly [Store, StoreTurn]>((resolve, reject) => {
        store
          .turn((turn) => {
            resolve([store, turn])
            return ended
          })
          .catch(reject)
      }),
  )
  try {
    const turns = new Map(await Promise.all(begun))
    return await work(stores.map((store) => turns.get(store) as StoreTurn)) // all turns have begun
  } finally {
    release()
  }
}
