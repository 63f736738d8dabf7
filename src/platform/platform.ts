/** A progress bar that can be drawn and removed. */
export interface ProgressBar {
  readonly start: (total: number, at: number, words: string) => void
  readonly update: (at: number, words: string) => void
  /** Removes the bar. It can be started again. */
  readonly stop: () => void
}

/** Where progress is shown. */
export interface ProgressOutput {
  /** Prints one line. */
  readonly say: (line: string) => void
  /** Null if the output cannot be redrawn. */
  readonly bar: ProgressBar | null
}

/** A worker thread. */
export interface Thread {
  readonly post: (message: object) => void
  /** Keeps the process alive while the thread runs. A new thread does. */
  readonly hold: () => void
  /** Lets the process end although the thread runs. */
  readonly release: () => void
  readonly end: () => Promise<void>
}

export interface ThreadEvents {
  readonly message: (data: unknown) => void
  /** Called once, when the thread ends by itself or does not start. */
  readonly ended: (reason: string) => void
}

/** What differs between Node and browsers. Both implementations, node.ts and browser.ts, are imported as '#platform' (package.json's imports). */
export interface Platform {
  /**
   * Reads a whole file into a buffer of its own.
   *
   * @param path A path, or a file: URL.
   * @throws EffuseError EF501 if the file does not exist, is a folder, or cannot be read; always in a browser.
   */
  readonly readFile: (path: string | URL) => Promise<Uint8Array<ArrayBuffer>>
  /** The names in a folder; null if the path is not a folder or does not exist, and in browsers. */
  readonly folderNames: (path: string) => Promise<readonly string[] | null>
  /**
   * Writes a file so that at every moment its name refers to either the old or the complete new content: it writes a temporary file in the same
   * folder, flushes it to the disk, and renames it. On failure it removes the temporary file. It follows symbolic links and keeps permissions.
   *
   * @throws EffuseError EF501 if the folder does not exist, the path is a folder or a device, or writing fails; always in a browser.
   */
  readonly writeFileAtomic: (path: string | URL, bytes: Uint8Array) => Promise<void>
  /** Writes a text to a new file in the system's temporary folder and returns its path; null if that fails. Never throws. */
  readonly saveTemporaryText: (fileName: string, text: string) => string | null
  /** Writes a text into a folder, which it creates if necessary. @throws EffuseError EF501 if that fails; always in a browser. */
  readonly saveText: (folder: string, fileName: string, text: string) => void
  /** A variable of the environment; undefined if it is not set, and in browsers. */
  readonly environment: (name: string) => string | undefined
  /** Milliseconds, with fractions, of a monotonic clock. */
  readonly now: () => number
  /** Lets other pending events run: signals, timers, files. Awaiting a settled promise would not. */
  readonly nextTurn: () => Promise<void>
  /** The output for progress: stderr, with a bar on a terminal; the console of a browser. */
  readonly progressOutput: () => Promise<ProgressOutput>

  /** `navigator.gpu`, in Node by Dawn; null in a browser without WebGPU. @throws EffuseError EF404 if Node's package for it is missing */
  readonly findGpu: () => Promise<object | null>
  /** Can there be a GPU that effuse can use? In a page only if tfjs's package for WebGPU `isRegistered`, because the page imports it. */
  readonly mayHaveGpu: (isRegistered: boolean) => boolean
  /** Defines `navigator.gpu` in Node; does nothing in a browser. @throws EffuseError EF404 as findGpu() */
  readonly provideWebgpu: () => Promise<void>
  /** Imports an optional package that bundlers must not look for. Rejects if it is missing; always in a browser, where pages import it themselves. */
  readonly importOptional: (name: string) => Promise<unknown>

  /**
   * Starts a thread on a program in plain JavaScript, given as text, or on the same program at a URL.
   * @throws Error if the platform has no threads, or forbids them
   */
  readonly startThread: (source: string, url: string | undefined, events: ThreadEvents) => Thread
  /** Can threads share memory? In pages only if they are cross-origin isolated. */
  readonly canShareMemory: () => boolean
  /** How many threads the machine runs at once. */
  readonly coreCount: () => number
  /** Lets modules use relaxed SIMD, if the engine has it behind a flag. */
  readonly allowRelaxedSimd: () => void
  /** Compiles WebAssembly in the background; in Node with the optimizing compiler alone. */
  readonly compileWasm: (bytes: Uint8Array<ArrayBuffer>) => Promise<WebAssembly.Module>
}
