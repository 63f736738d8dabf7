/** What passes may know of a machine: plain data, made by a backend. */
import type { Float } from './types.ts'

export interface TargetInfo {
  /** Backend's name, 'tfjs-wasm'. */
  readonly name: string
  /** Half types that it computes in; an empty list: only by emulation. */
  readonly halfTypes: readonly Exclude<Float, 'float32'>[]
  /** Contractions and wide reductions can take half operands and give float32. */
  readonly wideOutputs: boolean
  /** Half depthwise convolutions are fast enough to be worth their casts. */
  readonly fastHalfDepthwise: boolean
  /** Shapes of fused kernels it has: 'contraction' = conv, depthwise conv or matmul with bias and activation in one. */
  readonly fusions: readonly ('contraction' | 'loop' | 'reduction')[]
  /** Activations that a fused contraction may end with. */
  readonly fusedActivations: readonly string[]
}

/** A machine without properties: what a pass sees when nobody says otherwise. */
export const genericTarget: TargetInfo = {
  name: 'generic',
  halfTypes: ['float16', 'bfloat16'],
  wideOutputs: true,
  fastHalfDepthwise: true,
  fusions: [],
  fusedActivations: [],
}
