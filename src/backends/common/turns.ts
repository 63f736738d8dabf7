/** Turns: work on something shared, one after another in the order of the calls, whatever becomes of the work before. */
import type { Store, StoreTurn } from '../backend.ts'

export interface TurnQueue {
  /** Runs `work` when everything called before it has ended. */
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
 * One turn on several stores at once. All places are taken at the call, so that two calls that want the same stores have the same order in
 * each of them, and neither waits for the other in a circle.
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
    return await work(stores.map((store) => turns.get(store) as StoreTurn)) // begun holds each of them
  } finally {
    release()
  }
}
