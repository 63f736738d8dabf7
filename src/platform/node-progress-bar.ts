/** A progress bar on a terminal. There is none without a terminal, or on one that does not interpret escape codes. */
import { SingleBar } from 'cli-progress'
import type { ProgressBar } from './platform.ts'

export interface BarOptions {
  /** In cli-progress's format; `{words}` stands for the words of each update. */
  readonly format: string
  /** If true, the caller must restore the cursor when the process is interrupted. */
  readonly hideCursor: boolean
}

export const stepsFormat = '[{bar}] {percentage} %  {words}'

export const makeProgressBar = (stream: NodeJS.WritableStream, { format, hideCursor }: BarOptions): ProgressBar => {
  const bar = new SingleBar({
    stream,
    format,
    hideCursor,
    barsize: 12, // with the words, 80 columns
    linewrap: true, // does not change the terminal's setting, which would stay changed after a kill
    clearOnComplete: true,
    // The command handles the interrupt; cli-progress would only stop the bar.
    gracefulExit: false,
  })
  return {
    start: (total, at, words) => bar.start(total, at, { words }),
    update: (at, words) => bar.update(at, { words }),
    stop: () => bar.stop(),
  }
}

/** Stderr, if it is a terminal that interprets escape codes. */
export const terminal = (): NodeJS.WriteStream | undefined =>
  process.stderr.isTTY && process.env['TERM'] !== 'dumb' ? process.stderr : undefined
