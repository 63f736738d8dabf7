/**
 * Frees many values in short slices between other work of the event loop. A training step of EfficientNet-B0 replaces hundreds of values at once, and to
 * free them all takes 2 ms.
 */

/** So many values are freed at once. */
const fewMost = 64

/** The maximum of milliseconds that a slice takes, without its last value. */
const sliceMs = 0.5

/** A function that frees a list of values. @param free Frees one value. It must not fail. */
export const freeInSlices = <V>(free: (value: V) => void): ((values: readonly V[]) => void) => {
  let waiting: readonly V[] = []
  /** The number of values at the beginning of `waiting` that are freed. */
  let done = 0
  const freeUntil = (end: number): void => {
    while (done < waiting.length && performance.now() < end) free(waiting[done++] as V)
  }
  let isScheduled = false
  const schedule = (): void => {
    if (!isScheduled) setImmediate(slice)
    isScheduled = true
  }
  const slice = (): void => {
    isScheduled = false
    freeUntil(performance.now() + sliceMs)
    if (done < waiting.length) schedule()
    else [waiting, done] = [[], 0]
  }
  return (values) => {
    // A program that never returns to the event loop must not collect values.
    freeUntil(Number.POSITIVE_INFINITY)
    ;[waiting, done] = [[], 0]
    if (values.length <= fewMost) for (const value of values) free(value)
    else {
      waiting = values
      schedule()
    }
  }
}
