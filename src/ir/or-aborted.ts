/** Waits that an AbortSignal ends. */

/**
 * The value, or null as soon as the signal aborts. The listener is removed after each wait; otherwise many waits for one signal would leak a listener
 * each.
 */
export const orAborted = async <T>(value: T | Promise<T>, signal: AbortSignal | undefined): Promise<T | null> => {
  if (signal === undefined) return value
  let onAbort = (): void => {}
  const aborted = new Promise<null>((resolve) => {
    onAbort = () => resolve(null)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
  })
  try {
    return await Promise.race([value, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
