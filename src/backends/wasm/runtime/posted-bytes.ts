/** A memory in another thread, accessed by messages. */
import type { Bytes } from './space.ts'
import type { Order } from './messages.ts'

export interface Post {
  post(order: Order): void
  read(address: number, bytes: number): Promise<Uint8Array<ArrayBuffer>>
}

/**
 * Assumes that the memory can grow up to its maximum. If the system refuses, the thread keeps the data beyond the end, and runs fail
 * (worker-source.ts).
 */
export const postedBytes = (
  { bytesMax, byteLength }: { readonly bytesMax: number; readonly byteLength: number },
  thread: Post,
): Bytes => {
  let size = byteLength
  return {
    bytesMax,
    get byteLength() {
      return size
    },
    growTo: (bytes) => {
      size = Math.max(size, bytes)
      thread.post({ kind: 'grow', bytes: size })
      return true
    },
    write: (address, data) => thread.post({ kind: 'write', address, data: new Uint8Array(data) }),
    read: (address, bytes) => thread.read(address, bytes),
  }
}
