/** Work done before its results are taken. */
import { invariant } from '../ir/diagnostics.ts'

export interface InOrderOptions {
  /** Tasks at work at once. */
  readonly concurrency: number
  /** Tasks begun, at work or done, that are not taken yet. */
  readonly ahead: number
  readonly signal?: AbortSignal | undefined
  /** Told when nothing more is wanted, before what is at work is waited for. */
  readonly onLeave?: (() => void) | undefined
}

/**
 * The results of task(start) … task(end - 1), in this order, whichever is done first. Nothing begins before the first is asked for.
 *
 * Left early (`break`, an error, an abort), it begins nothing more and ends when the tasks at work have: no rejection goes unhandled,
 * nothing runs on. One that is neither used up nor left keeps `ahead` results and does no more.
 *
 * @throws what a task throws, when its turn comes; the signal's reason.
 */
export async function* inOrder<T>(
  [start, end]: readonly [number, number],
  task: (index: number) => Promise<T>,
  { concurrency, ahead, signal, onLeave }: InOrderOptions,
): AsyncGenerator<T, void, undefined> {
  const begun: Promise<T>[] = [] // not taken yet, in order
  let [next, atWork, isOver] = [start, 0, false]
  const settled = (): void => {
    atWork--
    begin()
  }
  const begin = (): void => {
    while (next < end && atWork < concurrency && begun.length < ahead && !isOver && signal?.aborted !== true) {
      atWork++
      const result = task(next++)
      result.then(settled, settled) // a failure is thrown where the result is taken, if it is
      begun.push(result)
    }
  }
  try {
    for (let index = start; index < end; index++) {
      signal?.throwIfAborted()
      begin()
      const result = begun.shift()
      // With nothing begun nothing is at work, so begin() has begun one.
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
