/** Manages the worker threads of a backend from the calling thread: posts orders and waits for reports. */
import { startThread } from '#platform'
import type { EffuseError } from '../../../ir/diagnostics.ts'
import type { DeviceLoss } from '../../backend.ts'
import { controlWords, makeControl, word } from './control.ts'
import { disposed, runFailed } from './errors.ts'
import type { LinearMemory } from './linear-memory.ts'
import type { ListToLoad, Order, Report } from './messages.ts'
import { postedBytes } from './posted-bytes.ts'
import type { Runner } from './runner.ts'
import type { Bytes } from './space.ts'
import { workerSource } from './worker-source.ts'

export interface ThreadPoolOptions {
  readonly threads: number
  /** The memory that all threads share. Null: there is one thread, with a memory of its own. */
  readonly memory: LinearMemory | null
  readonly workerUrl: string | undefined
  /** How often a waiting thread polls before it sleeps. */
  readonly spins?: number | undefined
}

export interface ThreadPool extends Runner {
  /** If the thread owns the memory: known once the threads have started. */
  readonly bytes: Bytes
  /** Starts the threads if they do not run, and waits for the leader. @throws Error where the platform cannot start a thread */
  start(): Promise<void>
  /** Resolves when the memory of the thread is lost. It never resolves if the memory is shared. */
  readonly lost: Promise<DeviceLoss>
}

type Thread = ReturnType<typeof startThread>

interface Pending {
  readonly resolve: (report: Report) => void
  readonly reject: (error: unknown) => void
}

const spinsByDefault = 20_000

export const makeThreadPool = (options: ThreadPoolOptions): ThreadPool => new WorkerThreadPool(options)

class WorkerThreadPool implements ThreadPool {
  readonly threads: number
  readonly lost: Promise<DeviceLoss>
  bytes: Bytes
  readonly #options: ThreadPoolOptions
  readonly #lists = new Map<number, ListToLoad>()
  readonly #pending = new Map<number, Pending>()
  #members: readonly Thread[] = []
  /** Shared with the threads, if they can share memory. It also identifies the threads that were started together. */
  #control: Int32Array
  #ready: Promise<Report> | null = null
  /** Resolves when the previous threads have stopped. Until then they may write to memory that other users could receive. */
  #ending: Promise<unknown> = Promise.resolve()
  #ids = 0
  #isDisposed = false
  /** Why the threads have ended. */
  #endedBy = runFailed('its threads were not started')
  #noteLoss: (loss: DeviceLoss) => void = () => {}

  constructor(options: ThreadPoolOptions) {
    this.threads = options.threads
    this.#options = options
    this.#control = this.#newControl()
    this.bytes = options.memory ?? postedBytes({ bytesMax: 0, byteLength: 0 }, this)
    this.lost = new Promise((resolve) => {
      this.#noteLoss = resolve
    })
  }

  async start(): Promise<void> {
    this.#ready ??= this.#begin()
    const report = await this.#ready
    if (report.kind === 'ready' && this.#options.memory === null && this.bytes.bytesMax === 0)
      this.bytes = postedBytes(report, this)
  }

  load(list: ListToLoad): void {
    this.#lists.set(list.list, list)
    if (this.#ready !== null) this.#toAll({ kind: 'load', ...list })
  }

  unload(list: number): void {
    this.#lists.delete(list)
    if (this.#ready !== null) this.#toAll({ kind: 'unload', list })
  }

  async run(order: Parameters<Runner['run']>[0]): Promise<Float64Array<ArrayBuffer> | null> {
    await this.start()
    const report = await this.#ask((id) => ({ kind: 'run', id, ...order }))
    if (report.kind === 'ran') return report.times
    throw runFailed(report.kind === 'failed' ? report.message : report.kind)
  }

  async read(address: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const report = await this.#ask((id) => ({ kind: 'read', id, address, bytes }))
    if (report.kind === 'data') return report.data
    throw runFailed(report.kind)
  }

  /** Posts an order to the leader. */
  post(order: Order): void {
    this.#members[0]?.post(order)
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true
    await this.#end(disposed())
  }

  async #begin(): Promise<Report> {
    await this.#ending
    if (this.#isDisposed) throw disposed()
    const control = this.#newControl()
    const members: Thread[] = []
    this.#control = control
    this.#members = members
    const ready = this.#wait(0)
    try {
      for (let thread = 0; thread < this.threads; thread++) {
        const member = startThread(workerSource, this.#options.workerUrl, {
          message: (report) => this.#hear(report as Report, control), // threads post reports
          ended: (reason) => this.#fail(reason, control),
        })
        members.push(member)
        if (thread > 0) member.release()
        this.#send(thread, {
          kind: 'begin',
          thread,
          threads: this.threads,
          control,
          memory: this.#options.memory?.memory ?? null,
          spins: this.#options.spins ?? spinsByDefault,
        })
      }
      for (const list of this.#lists.values()) this.#toAll({ kind: 'load', ...list })
    } catch (error) {
      ready.catch(() => {})
      this.#fail(error instanceof Error ? error.message : String(error), control)
    }
    return ready
  }

  /** Posts an order and returns the report that answers it. @throws EffuseError EF406, EF411: why the threads have ended, if they have */
  async #ask(order: (id: number) => Order): Promise<Report> {
    if (this.#members.length === 0) throw this.#endedBy
    const id = ++this.#ids
    const answer = this.#wait(id)
    this.post(order(id))
    return answer
  }

  #wait(id: number): Promise<Report> {
    return new Promise((resolve, reject) => {
      if (this.#pending.size === 0) this.#members[0]?.hold()
      this.#pending.set(id, { resolve, reject })
    })
  }

  #hear(report: Report, control: Int32Array): void {
    if (control !== this.#control) return // ignore threads that were replaced
    if (report.kind === 'broken') {
      this.#fail(report.message, control)
      return
    }
    const id = report.kind === 'ready' ? 0 : report.id
    const waiting = this.#pending.get(id)
    this.#pending.delete(id)
    if (this.#pending.size === 0) this.#members[0]?.release()
    waiting?.resolve(report)
  }

  /** A thread has ended. All other threads are ended, and pending orders fail. The next run starts new threads. */
  #fail(reason: string, control: Int32Array): void {
    if (control !== this.#control || this.#isDisposed) return
    if (this.#options.memory === null && this.bytes.bytesMax > 0) {
      this.#isDisposed = true
      this.#noteLoss({ reason: `the thread that owned the memory ended: ${reason}` })
    }
    void this.#end(runFailed(`a thread ended: ${reason}`))
  }

  async #end(error: EffuseError): Promise<void> {
    const members = this.#members
    this.#endedBy = error
    this.#members = []
    this.#control = this.#newControl()
    this.#ready = null
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    const ending = Promise.all(members.map((member) => member.end()))
    this.#ending = ending
    await ending
    for (const { reject } of pending) reject(error)
  }

  /** Pages that are not isolated have no shared memory at all. */
  #newControl(): Int32Array<ArrayBufferLike> {
    return this.#options.memory === null ? new Int32Array(controlWords) : makeControl()
  }

  #toAll(order: Order): void {
    for (let thread = 0; thread < this.threads; thread++) this.#send(thread, order)
  }

  /** A helper that waits on shared memory receives a message only after a notification. */
  #send(thread: number, order: Order): void {
    this.#members[thread]?.post(order)
    if (thread === 0) return
    Atomics.add(this.#control, word.mail + thread, 1)
    Atomics.add(this.#control, word.bell, 1)
    Atomics.notify(this.#control, word.bell)
  }
}
