/**
 * A backend whose calls really wait, like those of a device behind a queue: other work runs before and after each run, and during each read. The
 * waiting times are drawn from a seed. So results on it do not depend on the absence of other work.
 */
import type { Backend, Runnable, StoreTurn } from '../../src/backends/backend.ts'
import { referenceBackend } from '../../src/backends/reference/index.ts'

export const waitingBackend = (seed: number, inner: Backend = referenceBackend()): Backend => {
  let state = seed >>> 0
  const pause = async (): Promise<void> => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    for (let ticks = state >>> 29; ticks > 0; ticks--) await null
    if (state % 5 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  const slow = (turn: StoreTurn): StoreTurn => ({
    ...turn,
    read: async (names) => {
      const pending = turn.read(names) // captured at the call
      await pause()
      return pending
    },
  })
  const waiting = (runnable: Runnable): Runnable => ({
    ...runnable,
    run: async (turn, ...rest) => {
      await pause()
      const results = await runnable.run(turn, ...rest)
      await pause()
      return results
    },
  })
  return {
    ...inner,
    createStore: () => {
      const store = inner.createStore()
      const turn: typeof store.turn = (work) =>
        store.turn(async (at) => {
          await pause()
          const value = await work(slow(at))
          await pause()
          return value
        })
      return {
        ...store,
        turn,
        read: async (names) => (await turn((at) => [at.read(names)] as const))[0],
        write: (values) => turn((at) => at.write(values)),
      }
    },
    compile: async (...call) => waiting(await inner.compile(...call)),
  }
}
