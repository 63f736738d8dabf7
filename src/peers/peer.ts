/** What benchmarks time effuse against: the same network by other programs. `#peers` resolves to the peers that Node or a browser can open. */
import type { Model } from '../ir/model.ts'
import type { Graph } from '../ir/types.ts'
import type { StepOptions } from '../passes/train/step.ts'

/** The network written by hand in tfjs, on one of tfjs's backends; 'tfjs-node' is TensorFlow, op by op. */
export const tfjsPeerNames = ['tfjs-wasm', 'tfjs-cpu', 'tfjs-webgpu', 'tfjs-node'] as const
export type TfjsPeerName = (typeof tfjsPeerNames)[number]
/** EfficientNet of timm and of Keras, each in a process of Python. */
export const pythonPeerNames = ['pytorch', 'tensorflow-python'] as const
export type PythonPeerName = (typeof pythonPeerNames)[number]

export const peerNames = [...tfjsPeerNames, 'onnxruntime', ...pythonPeerNames] as const
export type PeerName = (typeof peerNames)[number]

export type PeerFeeds = { readonly [name: string]: Float32Array | Int32Array }

/** The network that a peer is to run. */
export interface PeerRequest {
  readonly model: Model
  /** The model's declaration for `batch`. */
  readonly graph: Graph
  readonly batch: number
  /** Of initial values and random numbers. */
  readonly seed: number
  /** The options of the training step that the graph declares; null for inference. */
  readonly training: StepOptions | null
  /** What all runs are fed with. */
  readonly feeds: PeerFeeds
  /** For peers that have threads. */
  readonly threads: number
}

export interface PeerRun {
  /** The loss of a training step; null where it is not to be compared, and for inference. */
  readonly loss: number | null
  /** What the run took, where the peer measures it itself. */
  readonly ms?: number | undefined
}

/** An opened peer. */
export interface BenchPeer {
  /** How the network came about, and by which programs: 'by hand, tfjs 4.22.0'. */
  readonly about: string
  /** Building and loading, apart from the first run; 0 where there is no such step. */
  readonly compileMs: number
  run(): Promise<PeerRun>
  /** The first result of inference, to be compared; null where it cannot be. */
  outputs(): Promise<ArrayLike<number> | null>
  dispose(): void
}
