/** Ctrl-C during long work, or the end of its terminal: the first asks it to end well, a second Ctrl-C ends the process at once, whatever it waits for. */

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal
  /** 129 after SIGHUP, 130 after Ctrl-C (SIGINT), 143 after SIGTERM, as shells have it; null where there was no signal. */
  exitCode(): number | null
}

const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
type Caught = keyof typeof exitCodes

export interface InterruptOptions {
  readonly onFirst: (signal: Caught) => void
  /** The process ends when this returns. */
  readonly onSecond: () => void
}

/** For work that leaves nothing behind: the first one ends the process, when `restore` has returned. Listens until it is disposed of. */
export const endOnInterrupt = (restore: () => void): Disposable => {
  const end = (signal: Caught): void => {
    restore()
    endBy(signal)
  }
  return catchInterrupt({ onFirst: end, onSecond: restore })
}

/**
 * As if there were no listener for the signal: shells see 130 or 143. process.exit() would wait for the threads of Node's own, and one that hangs in
 * a call of the system never comes back.
 */
const endBy = (signal: Caught): never => {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
  // Still here: the first process of a container is not ended by its own signals.
  process.exit(exitCodes[signal])
}

/** Listens until it is disposed of. */
export const catchInterrupt = ({ onFirst, onSecond }: InterruptOptions): Interrupt => {
  const controller = new AbortController()
  let exitCode: number | null = null
  const caught = (name: NodeJS.Signals): void => {
    const signal = name as Caught // only these are listened for
    if (exitCode !== null) {
      if (name === 'SIGHUP') return // a terminal that goes tells it more than once
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
