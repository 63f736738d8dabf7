/** The program of several-threads.test.ts: three threads look for relaxed SIMD many times. It prints for each thread how often it was found. */
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { hasRelaxedSimd } from '../../../src/backends/wasm/runtime/probe.ts'

const rounds = 1000

if (isMainThread) {
  for (let thread = 0; thread < 3; thread++)
    new Worker(new URL(import.meta.url)).on('message', (found: number) => console.log(`${found} of ${rounds}`))
} else {
  let found = 0
  for (let round = 0; round < rounds; round++) {
    if (await hasRelaxedSimd()) found++
    // Threads that pause differ in when their compilations begin and end.
    if (round % 3 === 0) await new Promise((resolve) => setTimeout(resolve, round % 4))
  }
  parentPort?.postMessage(found)
}
