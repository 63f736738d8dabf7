/** What passes may know about a machine, as plain data from a backend. Every field has a reader; add new fields together with their readers. */
import type { OpName } from './signatures.ts'
import type { Float } from './types.ts'

/** Kinds of fused kernels: a contraction (convolution, depthwise convolution, product) with the ops after it; elementwise loops; reductions. */
export type FusionKind = 'contraction' | 'loop' | 'reduction'

/** Requirements of a machine on memory. */
export interface MemoryConstraints {
  /** Buffers start at multiples of this number of bytes: 16 for WebAssembly's vectors, 64 for packed operands, 256 for WebGPU's bindings. */
  readonly alignment: number
  /** The maximum size of an arena: the machine's largest buffer, and its largest binding. */
  readonly arenaBytesMax: number
  /** Whether a step must not read and write one arena, except in place: WebGPU checks conflicts for whole buffers. */
  readonly exclusiveWrites: boolean
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
}

/** Arithmetic that IEEE 754 requires to be rounded once, and ops that consist of one such operation. */
export const ieeeOps: readonly OpName[] = ['add', 'sub', 'mul', 'div', 'reciprocal', 'sqrt', 'cast']

/** The default machine for passes: it supports everything. */
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
