/** What a platform offers to run programs on; `#backends` resolves to the list for Node or for browsers. */
import type { Graph } from '../ir/types.ts'
import type { StepOptions } from '../passes/train/step.ts'
import type { Backend } from './backend.ts'

export interface Availability {
  readonly isAvailable: boolean
  /** Version or device, or what is missing. */
  readonly detail: string
  /** The command or the step that adds it; null where it is there or cannot be added. */
  readonly fix: string | null
}

export interface BackendEntry {
  readonly name: string
  /** What `auto` says when it takes it. */
  readonly summary: string
  /** Looks without changing anything; where it is to be thorough also at what it would have to ask a server for. */
  probe(isThorough?: boolean): Promise<Availability>
  /** @throws EffuseError EF404 with the command that adds what is missing. */
  open(): Promise<Backend>
}

/** Fastest first: `auto` takes the first that is available. */
export type BackendCatalog = readonly BackendEntry[]

/** Peers of benchmarks, by name: the network written by hand in tfjs on its backend. */
export const peerNames = ['tfjs-wasm', 'tfjs-cpu', 'tfjs-webgpu'] as const
export type PeerName = (typeof peerNames)[number]

/** A network to be written by hand. */
export interface PeerRequest {
  readonly graph: Graph
  /** Of initial values and random numbers. */
  readonly seed: number
  /** Options of the training step whose declaration the graph is; null: inference. */
  readonly training: StepOptions | null
}

/** Something to be timed against. */
export interface BenchPeer {
  /** One run; of a training step the loss, else null. */
  run(feeds: { readonly [name: string]: Float32Array | Int32Array }): Promise<number | null>
  dispose(): void
}
