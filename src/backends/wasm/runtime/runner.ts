/** Executes dispatch lists: in threads (thread-pool.ts) or in the calling thread (in-thread.ts). */
import type { ListToLoad, RunOrder } from './messages.ts'

export interface Runner {
  /** The number of threads that compute. */
  readonly threads: number
  load(list: ListToLoad): void
  unload(list: number): void
  /**
   * Runs a list. Runs execute in call order. Returns the time of each dispatch in milliseconds, if the order requests times.
   * @throws EffuseError EF411 where a thread ended or a kernel failed; the contents of the run's memory are then undefined
   */
  run(order: RunOrder): Promise<Float64Array<ArrayBuffer> | null>
  /** Ends the threads. Pending runs fail. */
  dispose(): Promise<void>
}
