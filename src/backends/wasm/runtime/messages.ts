/** What passes between this thread and the workers (worker-source.ts). */

/** A call of an exported function: its buffers are slots of the run's table of addresses. */
export interface Dispatch {
  readonly name: string
  readonly slots: readonly number[]
  readonly units: number
  /** Where its context begins, from that of the run. */
  readonly context: number
  /** Left out where the address of its last buffer is 0. */
  readonly isOptional: boolean
}

export interface ListToLoad {
  readonly list: number
  readonly module: WebAssembly.Module
  readonly dispatches: readonly Dispatch[]
}

export interface RunOrder {
  readonly list: number
  /** Addresses by slot. */
  readonly table: Int32Array<ArrayBuffer>
  /** Where helpers read the table. */
  readonly tableAddress: number
  /** The contexts of the kernels (context.ts), and where they are read. */
  readonly context: Uint8Array<ArrayBuffer>
  readonly contextAddress: number
  /** Scratch memory of thread 0; those of the others follow. */
  readonly scratch: number
  readonly scratchBytes: number
  /** Where threads count what is done: for each dispatch a word, and one more for each thread. */
  readonly words: number
  /** The memory must reach so far. */
  readonly end: number
  readonly isProfiled: boolean
}

export type Order =
  | {
      readonly kind: 'begin'
      readonly thread: number
      readonly threads: number
      readonly control: Int32Array<SharedArrayBuffer> | null
      /** Null: the thread makes one of its own. */
      readonly memory: WebAssembly.Memory | null
      /** How often a waiting thread looks before it sleeps. */
      readonly spins: number
    }
  | ({ readonly kind: 'load' } & ListToLoad)
  | { readonly kind: 'unload'; readonly list: number }
  | ({ readonly kind: 'run'; readonly id: number } & RunOrder)
  | { readonly kind: 'write'; readonly address: number; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'read'; readonly id: number; readonly address: number; readonly bytes: number }
  | { readonly kind: 'grow'; readonly bytes: number }

export type Report =
  | { readonly kind: 'ready'; readonly bytesMax: number; readonly byteLength: number }
  | { readonly kind: 'ran'; readonly id: number; readonly times: Float64Array<ArrayBuffer> | null }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }
  | { readonly kind: 'data'; readonly id: number; readonly data: Uint8Array<ArrayBuffer> }
  /** A message could not be handled: the thread cannot go on. */
  | { readonly kind: 'broken'; readonly message: string }
