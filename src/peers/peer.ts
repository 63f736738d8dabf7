/** The peers of benchmarks: the same network, written by hand in tfjs. `#peers` resolves to the peers of Node or of browsers. */
import type { Graph } from '../ir/types.ts'
import type { StepOptions } from '../passes/train/step.ts'

/** Names of the peers. Each is the name of the tfjs backend that runs the network. */
export const peerNames = ['tfjs-wasm', 'tfjs-cpu', 'tfjs-webgpu'] as const
export type PeerName = (typeof peerNames)[number]

/** The network that a peer implements. */
export interface PeerRequest {
  readonly graph: Graph
  /** Seed of initial values and random numbers. */
  readonly seed: number
  /** Options of the training step that the graph declares; null for inference. */
  readonly training: StepOptions | null
}

/** A peer, opened for timing. */
export interface BenchPeer {
  /** Runs once. Returns the loss of a training step, else null. */
  run(feeds: { readonly [name: string]: Float32Array | Int32Array }): Promise<number | null>
  dispose(): void
}
