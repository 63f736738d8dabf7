/** The messages between the calling thread and the workers (worker-source.ts). */

/** A call of an exported function. Its buffers are slots of the run's table of addresses. */
export interface Dispatch {
  /** The number of the list's module that exports the function. */
  readonly module: number
  readonly name: string
  readonly slots: readonly number[]
  readonly units: number
  /** The offset of its context in the run's contexts. */
  readonly context: number
  /** The dispatch is skipped if the address of its last buffer is 0. */
  readonly isOptional: boolean
}

export interface ListToLoad {
  readonly list: number
  readonly modules: readonly WebAssembly.Module[]
  readonly dispatches: readonly Dispatch[]
}

export interface RunOrder {
  readonly list: number
  /** Addresses by slot. */
  readonly table: Int32Array<ArrayBuffer>
  /** The address from which helpers read the table. */
  readonly tableAddress: number
  /** The contexts of the kernels (context.ts), and their address. */
  readonly context: Uint8Array<ArrayBuffer>
  readonly contextAddress: number
  /** The scratch memory of thread 0. The scratch memories of the other threads follow. */
  readonly scratch: number
  readonly scratchBytes: number
  /** The counters of progress: one word for each dispatch, and one for each thread. */
  readonly words: number
  /** The required size of the memory. */
  readonly end: number
  readonly isProfiled: boolean
}

export type Order =
  | {
      readonly kind: 'begin'
      readonly thread: number
      readonly threads: number
      /** Shared memory, unless there is a single thread with a memory of its own. */
      readonly control: Int32Array
      /** Null: the thread allocates its own memory. */
      readonly memory: WebAssembly.Memory | null
      /** How often a waiting thread polls before it sleeps. */
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
