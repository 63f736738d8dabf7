/** The contexts of the kernels in a dispatch list, one after another. Each kernel that draws random numbers has one. */
import type { RunContext } from '../backend.ts'
import { contextBytes, writeContext } from './context.ts'
import type { EmittedKernel } from './module.ts'

export interface Contexts {
  readonly bytes: number
  /** The offset of each kernel's context. Kernels without an entry read no context. */
  readonly offsets: ReadonlyMap<number, number>
  /** The bytes of the contexts for a run. */
  readonly at: (run: RunContext) => Uint8Array<ArrayBuffer>
}

/** @param used The numbers of the kernels. */
export const contextsOf = (used: readonly number[], kernels: readonly EmittedKernel[]): Contexts => {
  const offsets = new Map<number, number>()
  let bytes = 0
  for (const kernel of used) {
    const streams = kernels[kernel]?.streams ?? []
    if (streams.length === 0 || offsets.has(kernel)) continue
    offsets.set(kernel, bytes)
    bytes += contextBytes(streams.length)
  }
  return {
    bytes,
    offsets,
    at: ({ seed, runIndex, replica }) => {
      const buffer = new ArrayBuffer(bytes)
      for (const [kernel, offset] of offsets)
        writeContext(buffer, offset, { seed, runIndex, replica, streams: kernels[kernel]?.streams ?? [] })
      return new Uint8Array(buffer)
    },
  }
}
