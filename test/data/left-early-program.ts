/**
 * The program of leave-early.test.ts: it leaves the batches of the folder in its first argument early, by break and by an abort, and prints how long
 * it stays alive.
 */
import { workerUrl } from '../../src/data/worker-url.ts'
import { imageFolder } from '../../src/node.ts'

const [, , folder = ''] = process.argv
const { train } = await imageFolder(folder, { holdout: 0.1, concurrency: 4, prefetch: 3, size: 64 })
for await (const _ of train.batches({ batch: 4, epoch: 0 })) break

const abort = new AbortController()
const batches = train.batches({ batch: 4, epoch: 1, signal: abort.signal })
await batches.next()
abort.abort() // the other batches are not requested

console.log(`threads: ${workerUrl() === null ? 'none' : 'there'}`)
const start = performance.now()
process.on('exit', () => console.log(`ended after ${performance.now() - start} ms`))
