/** Where the program of the worker threads is. */
import { existsSync } from 'node:fs'

/**
 * Beside this module, with the same ending. Null where it is not, as in a bundle that holds only what is imported; and for sources in
 * TypeScript where Node cannot run them. Then the calling thread does the work.
 */
export const workerUrl = (): URL | null => {
  const ending = /\.\w+$/.exec(new URL(import.meta.url).pathname)?.[0] ?? '.js'
  const canRun = ending !== '.ts' || ('typescript' in process.features && process.features.typescript !== false)
  const url = new URL(`./picture-worker${ending}`, import.meta.url)
  return canRun && existsSync(url) ? url : null
}
