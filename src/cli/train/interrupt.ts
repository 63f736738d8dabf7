/** Ctrl-C during a long piece of work: the first asks it to end well, the second ends the process at once. */

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal
  /** 130 after Ctrl-C (SIGINT), 143 after SIGTERM, as shells have it; null where nobody asked. */
  exitCode(): number | null
}

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const
type Caught = keyof typeof exitCodes

export interface InterruptOptions {
  readonly onFirst: () => void
  /** The process ends when this returns. */
  readonly onSecond: () => void
}

/** For work that leaves nothing behind: the first one ends the process, when `restore` has returned. Listens until it is disposed of. */
export const endOnInterrupt = (restore: () => void): Disposable => {
  const interrupt = catchInterrupt({
    onFirst: () => {
      restore()
      process.exit(interrupt.exitCode() ?? 1)
    },
    onSecond: restore,
  })
  return interrupt
}

/** Listens until it is disposed of. */
export const catchInterrupt = ({ onFirst, onSecond }: InterruptOptions): Interrupt => {
  const controller = new AbortController()
  let exitCode: number | null = null
  const caught = (name: NodeJS.Signals): void => {
    const code = exitCodes[name as Caught] // only these are listened for
    if (exitCode !== null) {
      onSecond()
      process.exit(code)
    }
    exitCode = code
    onFirst()
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
