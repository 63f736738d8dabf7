/** A second context of a backend, for graphs that compute the parts of a batch at the same time: each of its kernels has one thread. */
import { availableParallelism } from 'node:os'
import type { Pointer, TensorflowApi } from './c-api.ts'
import { TensorflowContext } from './context.ts'
import { bindThreads, threadIds } from './thread-affinity.ts'

interface Threads {
  readonly intraOpThreads?: number | undefined
  readonly interOpThreads?: number | undefined
}

export class OneThreadContext {
  /** The number of kernels that compute at the same time. 1 if there is no such context. */
  readonly threads: number
  readonly #api: TensorflowApi
  #context: TensorflowContext | null = null
  /** Threads that were made with the context. Null if they have been bound to processors. */
  #unbound: readonly number[] | null = null

  /** The context is made when it is first needed. @param options Those of the backend */
  constructor(api: TensorflowApi, { intraOpThreads = defaultThreads(), interOpThreads }: Threads) {
    const isAllowed = api.hasSeparatePools && (interOpThreads ?? intraOpThreads) >= intraOpThreads
    this.threads = isAllowed ? intraOpThreads : 1
    this.#api = api
  }

  /** @throws TensorflowFailure */
  get(): TensorflowContext {
    if (this.#context !== null) return this.#context
    const before = new Set(threadIds())
    this.#context = new TensorflowContext(this.#api, {
      intraOpParallelismThreads: 1,
      interOpParallelismThreads: this.threads,
    })
    this.#unbound = threadIds().filter((id) => !before.has(id))
    return this.#context
  }

  /** Binds the threads of the context to processors, if it has one for each. Call before a function runs: new threads have no names at first. */
  bindThreads(): void {
    if (this.#unbound === null) return
    bindThreads(this.#unbound, this.threads)
    this.#unbound = null
  }

  dispose(): void {
    this.#context?.dispose()
  }
}

/** TensorFlow's own default: its environment variable, or one for each core. */
const defaultThreads = (): number => Number(process.env['TF_NUM_INTRAOP_THREADS']) || availableParallelism()

/** A handle in another context, of the same memory: on CPUs both contexts compute in the memory of the process. The caller frees it. */
export const sharedHandle = (handle: Pointer, from: TensorflowContext, to: TensorflowContext): Pointer => {
  const tensor = from.resolve(handle)
  try {
    return to.handleOf(tensor)
  } finally {
    from.api.deleteTensor(tensor)
  }
}

/** All of them, or none if one fails. */
export const sharedHandles = (
  handles: readonly Pointer[],
  from: TensorflowContext,
  to: TensorflowContext,
): readonly Pointer[] => {
  const made: Pointer[] = []
  try {
    for (const handle of handles) made.push(sharedHandle(handle, from, to))
    return made
  } catch (error) {
    for (const handle of made) to.free(handle)
    throw error
  }
}
