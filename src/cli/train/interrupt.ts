/** Handles Ctrl-C during long work, and the end of its terminal. The first signal asks the work to end cleanly; a second Ctrl-C ends the process at once. */

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal
  /** 129 after SIGHUP, 130 after Ctrl-C (SIGINT), 143 after SIGTERM, as in shells; null without a signal. */
  exitCode(): number | null
}

const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
type Caught = keyof typeof exitCodes

export interface InterruptOptions {
  readonly onFirst: (signal: Caught) => void
  /** The process ends when this returns. */
  readonly onSecond: () => void
}

/** For work without results to save: the first signal ends the process after `restore` has returned. Listens until it is disposed of. */
export const endOnInterrupt = (restore: () => void): Disposable => {
  const end = (signal: Caught): void => {
    restore()
    endBy(signal)
  }
  return catchInterrupt({ onFirst: end, onSecond: restore })
}

/**
 * Ends the process as if the signal had no listener, so that shells see 130 or 143. process.exit() would wait for Node's own threads, and a thread that
 * hangs in a system call never ends.
 */
const endBy = (signal: Caught): never => {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  // Reached in the first process of a container, which its own signals do not end.
  process.exit(exitCodes[signal])
}

/** Listens until it is disposed of. */
export const catchInterrupt = ({ onFirst, onSecond }: InterruptOptions): Interrupt => {
  const controller = new AbortController()
  let exitCode: number | null = null
  const caught = (name: NodeJS.Signals): void => {
    const signal = name as Caught // the listener is only for these
    if (exitCode !== null) {
      if (name === 'SIGHUP') return // a terminal that closes sends it several times
      onSecond()
      endBy(signal)
    }
    exitCode = exitCodes[signal]
    onFirst(signal)
    controller.abort()
  }
  for (const name of Object.keys(exitCodes)) process.on(name, caught)
  return {
    signal: controller.signal,
    exitCode: () => exitCode,
    [Symbol.dispose]: () => {
      for (const name of Object.keys(exitCodes)) process.off(name, caught)
    },
  }
}
