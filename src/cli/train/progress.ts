/** The bars of the command line. They hide the cursor; every command restores it when it is interrupted. */
import { makeProgressBar, stepsFormat } from '../../platform/node-progress-bar.ts'
import type { ProgressOutput } from '../../platform/platform.ts'
import type { Io } from '../io.ts'
import { endOnInterrupt } from './interrupt.ts'

export const progressOutputOf = ({ err, terminal }: Io): ProgressOutput => ({
  say: err,
  bar: terminal === undefined ? null : makeProgressBar(terminal, { format: stepsFormat, hideCursor: true }),
})

/** A plain count, drawn only on a terminal. An interrupt ends the process and restores the cursor. */
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
