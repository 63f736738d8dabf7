/** A bar that can be drawn and taken away. */
export interface ProgressBar {
  readonly start: (total: number, at: number, words: string) => void
  readonly update: (at: number, words: string) => void
  /** Takes it away; it can be started again. */
  readonly stop: () => void
}

/** Where progress is shown. */
export interface ProgressOutput {
  /** One line. */
  readonly say: (line: string) => void
  /** Null where nothing can be drawn twice. */
  readonly bar: ProgressBar | null
}

/** What differs between Node and browsers. The two twins, node.ts and browser.ts, are reached as '#platform' (package.json's imports). */
export interface Platform {
  /**
   * The bytes of a whole file, in a buffer of their own.
   *
   * @param path A path, or a file: URL.
   * @throws EffuseError EF501 where there is no such file, it is a folder, or it cannot be read; always in a browser.
   */
  readonly readFile: (path: string | URL) => Promise<Uint8Array<ArrayBuffer>>
  /** The names in a folder; null where the path is no folder or there is none, and in browsers. */
  readonly folderNames: (path: string) => Promise<readonly string[] | null>
  /**
   * Writes a file so that at every moment either the old content or all of the new stands under the name: a temporary file in the same
   * folder, flushed to the disk, then renamed. On failure the temporary file is removed. Symbolic links are followed, permissions kept.
   *
   * @throws EffuseError EF501 where the folder does not exist, the path is a folder or a device, or writing fails; always in a browser.
   */
  readonly writeFileAtomic: (path: string | URL, bytes: Uint8Array) => Promise<void>
  /** Writes a text to a new file in the system's temporary folder, and gives its path; null where that is not possible. Never throws. */
  readonly saveTemporaryText: (fileName: string, text: string) => string | null
  /** Writes a text into a folder, which is made where it is missing. @throws EffuseError EF501 where that fails; always in a browser. */
  readonly saveText: (folder: string, fileName: string, text: string) => void
  /** A variable of the environment; undefined where it is not set, and in browsers. */
  readonly environment: (name: string) => string | undefined
  /** Milliseconds of a clock that only runs forward, with fractions. */
  readonly now: () => number
  /** Lets everything else that waits have its turn: signals, timers, files. Awaiting a settled promise does not. */
  readonly nextTurn: () => Promise<void>
  /** Where a person sees how far work is: stderr, with a bar where it is a terminal; the console of a browser. */
  readonly progressOutput: () => Promise<ProgressOutput>

  /** `navigator.gpu`, in Node also where it is not there yet; null in a browser without WebGPU. @throws EffuseError EF404 where Node's package for it is missing */
  readonly findGpu: () => Promise<object | null>
  /** Can there be a GPU that is worth asking for? In a page only if tfjs's package for WebGPU `isRegistered`: the page imports it. */
  readonly mayHaveGpu: (isRegistered: boolean) => boolean
  /** Makes `navigator.gpu` in Node; a browser has it or has not. @throws EffuseError EF404 as findGpu() */
  readonly provideWebgpu: () => Promise<void>
  /** An optional package by name, which no bundler is to look for. Rejects where it is missing; always in a browser, where pages import it. */
  readonly importOptional: (name: string) => Promise<unknown>
}
