/**
 * The control words that threads share besides the memory: an Int32Array on a SharedArrayBuffer. Words that many threads write are in separate cache
 * lines.
 */

/** The maximum number of threads: each thread needs a word for its messages. */
export const threadsMax = 64

const textMax = 240

export const word = {
  /** Notified when there is a run or a message: helpers wait on it. */
  bell: 0,
  /** Counts runs. */
  epoch: 16,
  /** The number of the run that helpers may join; 0: none. */
  open: 17,
  /** The number of helpers in a run. */
  active: 32,
  /** The leader's current dispatch: all dispatches before it are complete. */
  current: 48,
  /** The number of threads that sleep until other threads are done. */
  sleepers: 64,
  /** The thread that failed in this run, counted from 1; 0: none. */
  fault: 80,
  // The order of the run. The leader writes it before it notifies the helpers.
  list: 96,
  table: 97,
  tableLength: 98,
  contexts: 99,
  scratch: 100,
  scratchBytes: 101,
  words: 102,
  /** The error message of the failed thread: UTF-16, one code unit per word. */
  textLength: 103,
  text: 104,
  textMax,
  /** Counts messages for each thread. */
  mail: 104 + textMax,
} as const

export const controlWords = word.mail + threadsMax

export const makeControl = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4 * controlWords))
