/** Threads that prepare pictures while the calling thread computes. */
import { Worker } from 'node:worker_threads'
import { EffuseError, type EffuseErrorInit } from '../ir/diagnostics.ts'
import { decodingLedger, giveBackAll, type Ledger, sharedLedger } from './budget.ts'
import { doJob, type PictureJob, type PictureResult } from './picture-job.ts'
import { workerUrl } from './worker-url.ts'

export interface WorkerSettings {
  /** The number of jobs that this worker runs concurrently. */
  readonly concurrency: number
  readonly decoding: Ledger
}

export type Order =
  | { readonly kind: 'do'; readonly id: number; readonly stream: number; readonly job: PictureJob }
  | { readonly kind: 'drop'; readonly stream: number }

export type Answer =
  | { readonly kind: 'done'; readonly id: number; readonly result: PictureResult }
  | { readonly kind: 'dropped'; readonly id: number }
  | {
      readonly kind: 'failed'
      readonly id: number
      readonly error: {
        readonly code: EffuseErrorInit['code'] | null
        readonly message: string
        readonly hint: string | undefined
      }
    }

/** A group of jobs that can be cancelled together. */
export interface JobStream {
  run(job: PictureJob): Promise<PictureResult>
  /** Cancels the stream: no further job begins, and waiting jobs reject. */
  leave(): void
  /** Whether jobs are queued in workers, so that all can be submitted at once. */
  readonly isQueued: boolean
}

const here: JobStream = { run: doJob, leave: () => undefined, isQueued: false }
const pools = new Map<string, Pool>()
let streams = 0

/** @param workers The number of threads. Without threads, or if they are not available, the calling thread does the work. */
export const jobStream = (workers: number, concurrency: number): JobStream => {
  const url = workers === 0 ? null : workerUrl()
  if (url === null) return here
  const key = `${workers} ${concurrency}`
  const pool = pools.get(key) ?? new Pool(url, workers, concurrency)
  pools.set(key, pool)
  const stream = streams++
  return { run: (job) => pool.run(job, stream), leave: () => pool.drop(stream), isQueued: true }
}

interface Pending {
  readonly job: PictureJob
  readonly resolve: (result: PictureResult) => void
  readonly reject: (error: unknown) => void
}

interface Member {
  readonly worker: Worker
  readonly pending: Map<number, Pending>
}

/** Threads live as long as the process but do not keep it alive. They wait between epochs. */
class Pool {
  readonly #members: Member[]
  #ids = 0

  constructor(url: URL, workers: number, concurrency: number) {
    const each = Math.max(1, Math.ceil(concurrency / workers))
    this.#members = Array.from({ length: workers }, () => this.#begin(url, each))
  }

  run(job: PictureJob, stream: number): Promise<PictureResult> {
    const member = this.#members.reduce<Member | null>(
      (least, one) => (least === null || one.pending.size < least.pending.size ? one : least),
      null,
    )
    if (member === null) return doJob(job)
    return new Promise((resolve, reject) => {
      if (member.pending.size === 0) member.worker.ref()
      const id = this.#ids++
      member.pending.set(id, { job, resolve, reject })
      member.worker.postMessage({ kind: 'do', id, stream, job } satisfies Order)
    })
  }

  drop(stream: number): void {
    for (const { worker, pending } of this.#members)
      if (pending.size > 0) worker.postMessage({ kind: 'drop', stream } satisfies Order)
  }

  #begin(url: URL, concurrency: number): Member {
    const decoding = sharedLedger(decodingLedger)
    const workerData: WorkerSettings = { concurrency, decoding }
    // Without the flags of the process, such as --expose-gc or a loader: threads do not need them, and Node rejects some.
    const worker = new Worker(url, { workerData, execArgv: [] })
    const member: Member = { worker, pending: new Map() }
    worker.on('message', (answer: Answer) => {
      const waiting = member.pending.get(answer.id)
      member.pending.delete(answer.id)
      if (member.pending.size === 0) worker.unref()
      if (answer.kind === 'done') waiting?.resolve(answer.result)
      else if (answer.kind === 'dropped') waiting?.reject(new Error('the result is no longer needed'))
      else waiting?.reject(errorOf(answer.error))
    })
    worker.on('error', () => this.#replace(member))
    worker.on('exit', () => {
      giveBackAll(decoding)
      this.#replace(member)
    })
    worker.unref()
    return member
  }

  /** Runs the remaining jobs of a thread that did not start or has ended. */
  #replace(member: Member): void {
    const place = this.#members.indexOf(member)
    if (place !== -1) this.#members.splice(place, 1)
    for (const { job, resolve, reject } of member.pending.values()) doJob(job).then(resolve, reject)
    member.pending.clear()
  }
}

const errorOf = ({ code, message, hint }: Extract<Answer, { readonly kind: 'failed' }>['error']): Error =>
  code === null ? new Error(message) : new EffuseError({ code, message, hint })
