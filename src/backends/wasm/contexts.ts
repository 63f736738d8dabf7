/** The contexts of the kernels of a list, one after another: those that draw random numbers have one each. */
import type { RunContext } from '../backend.ts'
import { contextBytes, writeContext } from './context.ts'
import type { EmittedModule } from './module.ts'

export interface Contexts {
  readonly bytes: number
  /** Where the context of a kernel begins; kernels that are not here read none. */
  readonly offsets: ReadonlyMap<number, number>
  /** The bytes for a run. */
  readonly at: (run: RunContext) => Uint8Array<ArrayBuffer>
}

/** @param used Numbers of kernels. */
export const contextsOf = (used: readonly number[], { kernels }: EmittedModule): Contexts => {
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
