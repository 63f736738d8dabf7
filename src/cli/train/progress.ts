/** What the command line draws on its terminal. It hides the cursor: every command gives it back when it is interrupted. */
import { makeProgressBar, stepsFormat } from '../../platform/node-progress-bar.ts'
import type { ProgressOutput } from '../../platform/platform.ts'
import type { Io } from '../io.ts'
import { endOnInterrupt } from './interrupt.ts'

export const progressOutputOf = ({ err, terminal }: Io): ProgressOutput => ({
  say: err,
  bar: terminal === undefined ? null : makeProgressBar(terminal, { format: stepsFormat, hideCursor: true }),
})

/** A plain count, drawn on a terminal only. An interrupt ends the process, and gives the terminal its cursor back. */
export const makeCount = (
  io: Io,
  label: string,
): { readonly update: (done: number, total: number) => void; readonly stop: () => void } => {
  if (io.terminal === undefined) return { update: () => {}, stop: () => {} }
  const bar = makeProgressBar(io.terminal, { format: '[{bar}] {value}/{total}  {words}', hideCursor: true })
  let shown: Disposable | null = null
  const stop = (): void => {
    if (shown === null) return
    bar.stop()
    shown[Symbol.dispose]()
    shown = null
  }
  return {
    update: (done, total) => {
      if (shown === null) {
        shown = endOnInterrupt(stop)
        bar.start(total, done, label)
      } else bar.update(done, label)
    },
    stop,
  }
}
