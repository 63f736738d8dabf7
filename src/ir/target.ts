/** What passes may know of a machine: plain data, made by a backend. Every field has a reader; add what code generation needs together with its reader. */
import type { OpName } from './signatures.ts'
import type { Float } from './types.ts'

/** Shapes of fused kernels: a contraction (convolution, depthwise convolution, product) with what follows it; elementwise loops; reductions. */
export type FusionKind = 'contraction' | 'loop' | 'reduction'

/** What a machine demands of memory. */
export interface MemoryConstraints {
  /** Buffers start at multiples of so many bytes: 16 for WebAssembly's vectors, 64 for packed operands, 256 for WebGPU's bindings. */
  readonly alignment: number
  /** An arena has at most so many bytes: the largest buffer of the machine, and the largest binding. */
  readonly arenaBytesMax: number
  /** No step both reads and writes one arena, except for what it writes in place: WebGPU judges whole buffers. */
  readonly exclusiveWrites: boolean
}

export interface TargetInfo {
  /** Backend's name, 'tfjs-wasm'. */
  readonly name: string
  /** Half types that it computes in, the best one first: `amp: true` takes that. An empty list: only by emulation. */
  readonly halfTypes: readonly Exclude<Float, 'float32'>[]
  /** Contractions and wide reductions can take half operands and give float32. */
  readonly wideOutputs: boolean
  /** Half depthwise convolutions are fast enough to be worth their casts. */
  readonly fastHalfDepthwise: boolean
  /** Ops whose float32 results are the reference's to the bit, wherever they stand. Of all others the tolerance class holds. */
  readonly exactOps: readonly OpName[]
  /** Kinds of fused kernels that it has. */
  readonly fusions: readonly FusionKind[]
  /** Activations that a fused contraction may end with. */
  readonly fusedActivations: readonly OpName[]
  readonly memory: MemoryConstraints
}

/** + - * / and square roots, rounded once, as IEEE 754 demands of a processor; and what is one of them inside. */
export const ieeeOps: readonly OpName[] = ['add', 'sub', 'mul', 'div', 'reciprocal', 'sqrt', 'cast']

/** A machine that can do everything: the default for passes. */
export const genericTarget: TargetInfo = {
  name: 'generic',
  halfTypes: ['float16', 'bfloat16'],
  wideOutputs: true,
  fastHalfDepthwise: true,
  exactOps: ieeeOps,
  fusions: ['contraction', 'loop', 'reduction'],
  fusedActivations: ['relu', 'relu6', 'elu', 'sigmoid'],
  memory: { alignment: 16, arenaBytesMax: Number.MAX_SAFE_INTEGER, exclusiveWrites: false },
}
