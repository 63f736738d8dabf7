/** The words that threads share besides the memory: an Int32Array on a SharedArrayBuffer. What many threads write lies in cache lines of its own. */

/** The most threads, so that a thread's mail has a word. */
export const threadsMax = 64

const textMax = 240

export const word = {
  /** Rings when there is a run or a message: helpers wait on it. */
  bell: 0,
  /** Counts runs. */
  epoch: 16,
  /** The number of the run that helpers may enter; 0: none. */
  open: 17,
  /** Helpers in a run. */
  active: 32,
  /** The leader's dispatch: all before it are done. */
  current: 48,
  /** Threads that wait for others asleep. */
  sleepers: 64,
  /** The thread that failed in this run, from 1; 0: none. */
  fault: 80,
  // The run's order, written by the leader before it rings.
  list: 96,
  table: 97,
  tableLength: 98,
  contexts: 99,
  scratch: 100,
  scratchBytes: 101,
  words: 102,
  /** What the failed thread says: UTF-16, a word each. */
  textLength: 103,
  text: 104,
  textMax,
  /** Counts messages for each thread. */
  mail: 104 + textMax,
} as const

export const controlWords = word.mail + threadsMax

export const makeControl = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4 * controlWords))
