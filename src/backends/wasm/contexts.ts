/**
 * The contexts of the calls in a dispatch list, one after another: what a function depends on besides buffers and units. A kernel that draws random
 * numbers has one context for each run (context.ts). A phase whose sizes are parameters has one that never changes: the parameters, 32-bit words.
 */
import type { RunContext } from '../backend.ts'
import { contextBytes, writeContext } from './context.ts'
import type { EmittedKernel } from './module.ts'

export interface Contexts {
  readonly bytes: number
  /** The offset of the context of a phase of a kernel; 0 if it reads none. */
  readonly offsetOf: (kernel: number, phase: number) => number
  /** The bytes of the contexts for a run. */
  readonly at: (run: RunContext) => Uint8Array<ArrayBuffer>
}

/** @param used The numbers of the kernels. */
export const contextsOf = (used: readonly number[], kernels: readonly EmittedKernel[]): Contexts => {
  const streamsOf = (kernel: number): readonly string[] => kernels[kernel]?.streams ?? []
  const drawing: { readonly kernel: number; readonly offset: number }[] = []
  const offsets = new Map<number, readonly number[]>()
  const words: (readonly [offset: number, parameters: readonly number[]])[] = []
  let bytes = 0
  const place = (size: number): number => {
    const offset = bytes
    bytes += Math.ceil(size / 16) * 16
    return offset
  }
  for (const kernel of new Set(used)) {
    const streams = streamsOf(kernel)
    const phases = kernels[kernel]?.phases ?? []
    if (streams.length > 0) {
      const offset = place(contextBytes(streams.length))
      drawing.push({ kernel, offset })
      offsets.set(
        kernel,
        phases.map(() => offset),
      )
      continue
    }
    const own = phases.map(({ parameters }) => {
      if (parameters.length === 0) return 0
      const offset = place(4 * parameters.length)
      words.push([offset, parameters])
      return offset
    })
    offsets.set(kernel, own)
  }
  const constant = new ArrayBuffer(bytes)
  for (const [offset, parameters] of words) new Int32Array(constant, offset, parameters.length).set(parameters)
  return {
    bytes,
    offsetOf: (kernel, phase) => offsets.get(kernel)?.[phase] ?? 0,
    at: ({ seed, runIndex, replica }) => {
      const buffer = constant.slice(0)
      for (const { kernel, offset } of drawing)
        writeContext(buffer, offset, { seed, runIndex, replica, streams: streamsOf(kernel) })
      return new Uint8Array(buffer)
    },
  }
}
