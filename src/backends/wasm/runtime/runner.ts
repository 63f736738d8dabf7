/** Who runs lists of dispatches: threads (crew.ts) or the calling thread (in-thread.ts). */
import type { ListToLoad, RunOrder } from './messages.ts'

export interface Runner {
  /** How many compute at once. */
  readonly threads: number
  load(list: ListToLoad): void
  unload(list: number): void
  /**
   * Runs a list; runs happen in the order of the calls. Gives the time of each dispatch in milliseconds, if the order asks for them.
   * @throws EffuseError EF411 where a thread ended or a kernel failed; the memory of the run then holds anything
   */
  run(order: RunOrder): Promise<Float64Array<ArrayBuffer> | null>
  /** Ends the threads. Pending runs fail. */
  dispose(): Promise<void>
}
