/**
 * The batches of a source, one after another. An abort takes effect at once, even if the source never yields or ignores its signal.
 */
import { EffuseError, showGiven } from '../ir/diagnostics.ts'
import { orAborted } from '../ir/or-aborted.ts'
import type { Batch, BatchRequest, DataSource } from './source.ts'

/**
 * Ends early if the request's signal aborts. Errors that the source throws after that are ignored: they are its way of stopping.
 * @throws EffuseError EF701 if batches() returns nothing iterable; and the source's own errors.
 */
export async function* drawBatches(source: DataSource, request: BatchRequest): AsyncGenerator<Batch, void, undefined> {
  const { signal } = request
  const isAborted = (): boolean => signal?.aborted === true
  const batches = iteratorOf(source.batches(request))
  let isOver = false
  try {
    while (!isAborted()) {
      isOver = true // a source that failed or ended needs no closing
      const next = await orAborted(batches.next(), signal)
      if (next === null || next.done === true) {
        // The source may hang, so this does not wait. The source closes after its current work.
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
    message: `batches() of the data source gave ${came instanceof Promise ? 'a promise' : showGiven(came)}, which is not a sequence of batches`,
    hint: 'write it as a generator: async *batches(request) { yield { image, label } }',
  })
}
