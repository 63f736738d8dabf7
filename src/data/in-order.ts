/** Runs tasks ahead of their consumer. */
import { invariant } from '../ir/diagnostics.ts'

export interface InOrderOptions {
  /** The number of tasks that run concurrently. */
  readonly concurrency: number
  /** The number of tasks that have begun and whose results are not taken yet. */
  readonly ahead: number
  readonly signal?: AbortSignal | undefined
  /** Called when the consumer stops, before running tasks are awaited. */
  readonly onLeave?: (() => void) | undefined
}

/**
 * Yields the results of task(start) … task(end - 1) in this order, in whichever order the tasks end. No task begins before the first result is
 * requested.
 *
 * If the consumer stops early (`break`, an error, an abort), no further task begins, and the generator ends when the running tasks have ended, so
 * there is no unhandled rejection and no remaining work. A generator that is neither finished nor stopped keeps `ahead` results.
 *
 * @throws the error of a task, in its place of the order; the signal's reason.
 */
export async function* inOrder<T>(
  [start, end]: readonly [number, number],
  task: (index: number) => Promise<T>,
  { concurrency, ahead, signal, onLeave }: InOrderOptions,
): AsyncGenerator<T, void, undefined> {
  const begun: Promise<T>[] = [] // results that are not taken yet, in order
  let [next, atWork, isOver] = [start, 0, false]
  const settled = (): void => {
    atWork--
    begin()
  }
  const begin = (): void => {
    while (next < end && atWork < concurrency && begun.length < ahead && !isOver && signal?.aborted !== true) {
      atWork++
      const result = task(next++)
      result.then(settled, settled) // an error is thrown when the result is taken
      begun.push(result)
    }
  }
  try {
    for (let index = start; index < end; index++) {
      signal?.throwIfAborted()
      begin()
      const result = begun.shift()
      // If no task had begun, none was running, so begin() has begun one.
      invariant(result !== undefined, () => 'a task was not begun')
      begin()
      const value = await result
      signal?.throwIfAborted()
      yield value
    }
  } finally {
    isOver = true
    onLeave?.()
    await Promise.allSettled(begun)
  }
}
