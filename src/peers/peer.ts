/** What benchmarks time effuse against: the same network, written by hand in tfjs. `#peers` resolves to what Node or a browser can open. */
import type { Graph } from '../ir/types.ts'
import type { StepOptions } from '../passes/train/step.ts'

/** Peers by name: each is the tfjs backend that runs the network. */
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
