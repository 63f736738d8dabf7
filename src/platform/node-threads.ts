/** Threads and WebAssembly in Node. */
import { availableParallelism } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { Worker } from 'node:worker_threads'
import type { Platform } from './platform.ts'

export const startThread: Platform['startThread'] = (source, url, { message, ended }) => {
  // Without the flags of the process, such as --expose-gc or a loader: threads do not need them, and Node rejects some.
  const options = { execArgv: [], eval: url === undefined }
  const worker = new Worker(url === undefined ? source : URL.canParse(url) ? new URL(url) : url, options)
  let hasEnded = false
  const end = (reason: string): void => {
    if (!hasEnded) ended(reason)
    hasEnded = true
  }
  worker.on('message', (data) => {
    if (!hasEnded) message(data)
  })
  worker.on('error', (error: unknown) => end(error instanceof Error ? error.message : String(error)))
  worker.on('exit', (code) => end(`it exited with code ${code}`))
  return {
    post: (data) => worker.postMessage(data),
    hold: () => worker.ref(),
    release: () => worker.unref(),
    end: async () => {
      hasEnded = true
      await worker.terminate()
    },
  }
}

export const canShareMemory: Platform['canShareMemory'] = () => true

export const coreCount: Platform['coreCount'] = () => availableParallelism()

/** Flags of V8, each with its opposite. They hold for the whole process, so they are set while modules of kernels compile and no longer. */
const optimizing = [
  ['--no-liftoff', '--liftoff'],
  ['--no-wasm-lazy-compilation', '--wasm-lazy-compilation'],
] as const
let compiling = 0

/**
 * V8's quick compiler makes kernels 3 times slower, and the optimized code that follows takes effect only in later calls; so the first runs would be
 * slow. The flags leave the quick compiler out.
 */
export const compileWasm: Platform['compileWasm'] = async (bytes) => {
  compiling++
  try {
    // Each time, because another thread that uses effuse may have ended its compilation since.
    for (const [flag] of optimizing) setFlagsFromString(flag)
    return await WebAssembly.compile(bytes)
  } finally {
    if (--compiling === 0)
      for (const [flag, opposite] of optimizing) if (!process.execArgv.includes(flag)) setFlagsFromString(opposite)
  }
}

/**
 * Relaxed SIMD is in V8 11.3, of Node 20, but only behind this flag; from V8 11.4 on it needs none. The flag stays set: V8 reads it several times while
 * a module compiles, and ends the process if another thread has cleared it in between.
 */
export const allowRelaxedSimd: Platform['allowRelaxedSimd'] = () => {
  if (process.versions.v8.startsWith('11.3.')) setFlagsFromString('--experimental-wasm-relaxed-simd')
}
