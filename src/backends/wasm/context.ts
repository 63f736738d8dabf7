/**
 * The context of a kernel: what its random numbers depend on besides stream and element (ir/philox.ts). It consists of 32-bit words, little-endian:
 *
 * 0 seed   1, 2 run index, low and high   3 replica   4 ... keys of the kernel's streams, in the order of EmittedKernel.streams
 */
import { type RandomPosition, streamKey } from '../../ir/philox.ts'

export const contextWords = { seed: 0, runLow: 1, runHigh: 2, replica: 3, streams: 4 } as const

/** The size of a context in bytes, a multiple of 16. */
export const contextBytes = (streams: number): number => Math.ceil((contextWords.streams + streams) / 4) * 16

/** Writes the context of a kernel. A kernel without streams reads no context. */
export const writeContext = (
  memory: ArrayBufferLike,
  at: number,
  { seed, runIndex, replica, streams }: Omit<RandomPosition, 'stream'> & { readonly streams: readonly string[] },
): void => {
  const view = new DataView(memory, at, contextBytes(streams.length))
  const words = [seed, runIndex >>> 0, Math.floor(runIndex / 2 ** 32), replica, ...streams.map(streamKey)]
  words.forEach((word, i) => {
    view.setUint32(4 * i, word, true)
  })
}
