/** A program for leave-early.test.ts: leaves the batches of the folder in its first argument early, by break and by an abort, and tells how long it lives on. */
import { workerUrl } from '../../src/data/worker-url.ts'
import { imageFolder } from '../../src/node.ts'

const [, , folder = ''] = process.argv
const { train } = await imageFolder(folder, { holdout: 0.1, concurrency: 4, prefetch: 3, size: 64 })
for await (const _ of train.batches({ batch: 4, epoch: 0 })) break

const abort = new AbortController()
const batches = train.batches({ batch: 4, epoch: 1, signal: abort.signal })
await batches.next()
abort.abort() // and nobody asks for the rest

console.log(`threads: ${workerUrl() === null ? 'none' : 'there'}`)
const start = performance.now()
process.on('exit', () => console.log(`ended after ${performance.now() - start} ms`))
