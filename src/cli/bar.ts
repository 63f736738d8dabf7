/** Progress of work in counted parts: a bar on a terminal, otherwise a line from time to time. */
import { makeProgressBar, stepsFormat } from '../platform/node-progress-bar.ts'
import type { Io } from './io.ts'
import { endOnInterrupt } from './train/interrupt.ts'

export interface Bar {
  /** Shows `done` of `of` parts, and the name of the next one. */
  readonly at: (done: number, of: number, what: string) => void
  /** Removes the bar. */
  readonly stop: () => void
}

const plainEveryMs = 10_000

export const makeBar = (io: Io): Bar => (io.terminal === undefined ? lines(io) : onTerminal(io.terminal))

const lines = (io: Io): Bar => {
  let last = performance.now()
  return {
    at: (done, of, what) => {
      if (performance.now() - last < plainEveryMs) return
      last = performance.now()
      io.err(`${done} of ${of}: ${what}`)
    },
    stop: () => {},
  }
}

/** The total number of parts may change, so the bar shows thousandths. */
const onTerminal = (stream: NodeJS.WritableStream): Bar => {
  const bar = makeProgressBar(stream, { format: stepsFormat, hideCursor: true })
  let shown: Disposable | null = null
  const stop = (): void => {
    if (shown === null) return
    shown[Symbol.dispose]()
    shown = null
    bar.stop()
  }
  return {
    at: (done, of, what) => {
      const share = Math.floor((1000 * done) / Math.max(1, of))
      if (shown === null) {
        shown = endOnInterrupt(stop)
        bar.start(1000, share, what)
      } else bar.update(share, what)
    },
    stop,
  }
}
