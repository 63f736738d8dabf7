/**
 * The batches of a source, one after another. Whoever asks for an end has it at once: a source that never yields, or does not heed its
 * signal, keeps nobody waiting.
 */
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import type { Batch, BatchRequest, DataSource } from './source.ts'

/**
 * Ends early where the signal of the request asks for it; what the source throws from then on is its way of stopping, and stays there.
 * @throws EffuseError EF701 where batches() gives nothing to go through, and what the source throws.
 */
export async function* drawBatches(source: DataSource, request: BatchRequest): AsyncGenerator<Batch, void, undefined> {
  const { signal } = request
  const isAborted = (): boolean => signal?.aborted === true
  const batches = iteratorOf(source.batches(request))
  let isOver = false
  try {
    while (!isAborted()) {
      isOver = true // of a source that fails or ends there is nothing to close
      const next = await orAborted(batches.next(), signal)
      if (next === null || next.done === true) {
        // It may hang: closed without waiting, after whatever it is doing.
        if (next === null) Promise.resolve(batches.return?.()).catch(() => {})
        return
      }
      isOver = false
      yield next.value
    }
  } catch (error) {
    if (!isAborted() || error instanceof EffuseError) throw error
  } finally {
    if (!isOver) await batches.return?.()
  }
}

type AnyIterator = AsyncIterator<Batch> | Iterator<Batch>

const iteratorOf = (given: AsyncIterable<Batch> | Iterable<Batch>): AnyIterator => {
  const came: unknown = given // of a user's function
  if (typeof came === 'object' && came !== null) {
    if (Symbol.asyncIterator in given) return given[Symbol.asyncIterator]()
    if (Symbol.iterator in given) return given[Symbol.iterator]()
  }
  throw new EffuseError({
    code: 'EF701',
    message: `batches() of the data source gave ${came instanceof Promise ? 'a promise' : showGiven(came)}, which is no sequence of batches`,
    hint: 'write it as a generator: async *batches(request) { yield { image, label } }',
  })
}

/** Null as soon as the signal aborts. The listener goes with the wait: one for each batch of a long run would be a leak. */
const orAborted = async <T>(value: T | Promise<T>, signal: AbortSignal | undefined): Promise<T | null> => {
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
