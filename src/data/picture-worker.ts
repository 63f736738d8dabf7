/** The program of a worker thread that prepares pictures. It ends with the process. */
import { getPriority, setPriority } from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { EffuseError } from '../ir/diagnostics.ts'
import { useDecodingLedger } from './budget.ts'
import { jpegDecoder } from './libjpeg-turbo.ts'
import { doJob } from './picture-job.ts'
import { type Reader, readFileNow } from './read-picture.ts'
import type { Answer, Order, WorkerSettings } from './picture-pool.ts'

const port = parentPort
if (port === null) throw new Error('picture-worker runs only in a worker thread')
const settings: WorkerSettings = workerData
useDecodingLedger(settings.decoding)

/** Nice values that are added to the priority of the calling thread: with 5 a busy core gives this thread a third of what it gives a training step. */
const niceness = 5
// A step that waits for a preempted thread of its own delays all pictures, so steps come first. Only Linux has a priority for each thread.
if (process.platform === 'linux') {
  try {
    setPriority(Math.min(19, getPriority() + niceness))
  } catch {
    // The system does not allow it. The thread works with the priority it has.
  }
}

const waiting: Extract<Order, { readonly kind: 'do' }>[] = []
let atWork = 0

port.on('message', (order: Order) => {
  if (order.kind === 'do') {
    waiting.push(order)
    return begin()
  }
  for (const { id } of waiting.filter(({ stream }) => stream === order.stream)) answer({ kind: 'dropped', id })
  waiting.splice(0, waiting.length, ...waiting.filter(({ stream }) => stream !== order.stream))
})

const begin = (): void => {
  while (atWork < settings.concurrency) {
    const order = waiting.shift()
    if (order === undefined) return
    atWork++
    void work(order).finally(() => {
      atWork--
      begin()
    })
  }
}

const work = async ({ id, job }: Extract<Order, { readonly kind: 'do' }>): Promise<void> => {
  try {
    const result = await doJob(job, readerOf())
    answer({ kind: 'done', id, result }, 'image' in result ? [result.image.buffer] : [])
  } catch (error) {
    const { code, message, hint } =
      error instanceof EffuseError ? error : { code: null, message: String(error), hint: undefined }
    answer({ kind: 'failed', id, error: { code, message, hint } })
  }
}

let reader: Reader | undefined
const readerOf = (): Reader => (reader ??= { read: readFileNow, jpeg: jpegDecoder() })

const answer = (message: Answer, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer)
