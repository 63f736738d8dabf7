/** The URL of the worker threads' program. */
import { existsSync } from 'node:fs'

/**
 * The file beside this module with the same ending. Null if it is missing, as in a bundle of only the imported modules, and for TypeScript sources
 * that Node cannot run. Then the calling thread does the work.
 */
export const workerUrl = (): URL | null => {
  const ending = /\.\w+$/.exec(new URL(import.meta.url).pathname)?.[0] ?? '.js'
  const canRun = ending !== '.ts' || ('typescript' in process.features && process.features.typescript !== false)
  const url = new URL(`./picture-worker${ending}`, import.meta.url)
  return canRun && existsSync(url) ? url : null
}
