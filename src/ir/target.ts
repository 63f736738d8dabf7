/** What passes may know about a machine, as plain data from a backend. Every field has a reader; add new fields together with their readers. */
import type { OpName } from './signatures.ts'
import type { Float } from './types.ts'

/**
 * Kinds of fused kernels, by what they are built around: a contraction (convolution, product), a depthwise convolution, a pooling window, a
 * reduction, elementwise ops, ops that only move elements, the order of elements (topK).
 */
export type FusionKind = 'contraction' | 'depthwise' | 'window' | 'reduction' | 'loop' | 'movement' | 'sort'
export const fusionKinds: readonly FusionKind[] = [
  'contraction',
  'depthwise',
  'window',
  'reduction',
  'loop',
  'movement',
  'sort',
]

/** Requirements of a machine on memory. */
export interface MemoryConstraints {
  /** Buffers start at multiples of this number of bytes: 16 for WebAssembly's vectors, 64 for packed operands, 256 for WebGPU's bindings. */
  readonly alignment: number
  /** The maximum size of an arena: the machine's largest buffer, and its largest binding. */
  readonly arenaBytesMax: number
  /** Whether a step must not read and write one arena, except in place: WebGPU checks conflicts for whole buffers. */
  readonly exclusiveWrites: boolean
}

/** What work costs on a machine, for passes that choose between programs. Orders of magnitude suffice. */
export interface MachineCost {
  /** Additions and multiplications; a multiply-add is two. */
  readonly flopsPerSecond: number
  /** From and to memory. */
  readonly bytesPerSecond: number
  /** Time to start a kernel and to wait for its end. */
  readonly launchSeconds: number
  /** A value of at most this size is still in the cache when the next phase of a kernel reads it. */
  readonly cacheBytes: number
  /** A division, an exponential or the like takes as long as so many additions. */
  readonly slowOperation: number
  /** An element of a contraction's operand that is computed where it is read takes so many additions more: it goes into a panel first. */
  readonly panelOperation: number
}

/** Limits of one fused kernel. */
export interface FusionBudget {
  /** Operands and results together: what a kernel can bind. */
  readonly buffers: number
  readonly results: number
  /** Ops, because code has a size. */
  readonly ops: number
  readonly reductions: number
  /**
   * How many output channels of a contraction use one evaluation of what is fused before it. Small where it is evaluated in the inner loop; large
   * where the panel is packed.
   */
  readonly prologueReuse: number
  /** The largest kernel that may have several contractions, one after another: its multiply-adds, and its bytes of operands and results. */
  readonly chain: { readonly multiplyAdds: number; readonly bytes: number }
  /** Whether one kernel can do independent work on many tensors for the price of one launch. */
  readonly horizontal: boolean
}

export interface TargetInfo {
  /** The backend's name, 'tfjs-wasm'. */
  readonly name: string
  /** Half types that the machine computes in, best first; `amp: true` takes the first. If the list is empty, half types are only emulated. */
  readonly halfTypes: readonly Exclude<Float, 'float32'>[]
  /** Why half types do not pay on the machine: `amp: true` then computes in float32 and reports this. Absent: they pay. */
  readonly slowHalf?: string | undefined
  /** Whether contractions and wide reductions can have half operands and float32 results. */
  readonly wideOutputs: boolean
  /** Whether half depthwise convolutions save more time than their casts cost. */
  readonly fastHalfDepthwise: boolean
  /** Ops whose float32 results always equal the reference bit for bit. For all other ops the tolerance class holds. */
  readonly exactOps: readonly OpName[]
  /** Kinds of fused kernels that the backend has. */
  readonly fusions: readonly FusionKind[]
  /** Activations that a fused contraction can end with. */
  readonly fusedActivations: readonly OpName[]
  readonly memory: MemoryConstraints
  readonly cost: MachineCost
  readonly fusionBudget: FusionBudget
}

/** Arithmetic that IEEE 754 requires to be rounded once, and ops that consist of one such operation. */
export const ieeeOps: readonly OpName[] = ['add', 'sub', 'mul', 'div', 'reciprocal', 'sqrt', 'cast']

/** One core with 128-bit vectors. */
export const genericCost: MachineCost = {
  flopsPerSecond: 5e10,
  bytesPerSecond: 1.6e10,
  launchSeconds: 2e-6,
  cacheBytes: 2 ** 20,
  slowOperation: 16,
  panelOperation: 8,
}

export const genericBudget: FusionBudget = {
  buffers: 64,
  results: 16,
  ops: 96,
  reductions: 8,
  prologueReuse: 2 ** 20,
  chain: { multiplyAdds: 2 ** 18, bytes: 2 ** 20 },
  horizontal: false,
}

/** The default machine for passes: it supports everything. */
export const genericTarget: TargetInfo = {
  name: 'generic',
  halfTypes: ['float16', 'bfloat16'],
  wideOutputs: true,
  fastHalfDepthwise: true,
  exactOps: ieeeOps,
  fusions: fusionKinds,
  fusedActivations: ['relu', 'relu6', 'elu', 'sigmoid'],
  memory: { alignment: 16, arenaBytesMax: Number.MAX_SAFE_INTEGER, exclusiveWrites: false },
  cost: genericCost,
  fusionBudget: genericBudget,
}
