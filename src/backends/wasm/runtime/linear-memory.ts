/** A WebAssembly memory that the calling thread can access. */
import { EffuseError } from '../../../ir/diagnostics.ts'
import { disposed } from './errors.ts'
import { type Bytes, pageBytes } from './space.ts'

export interface LinearMemory extends Bytes {
  readonly memory: WebAssembly.Memory
  /** Returns the memory to the pool for later backends, and ends this access to it. */
  close(): void
}

/** Maximum sizes to try, in pages. A shared memory reserves address space, which phones and limits may refuse. */
export const maximumPages: readonly number[] = [65_536, 32_768, 16_384, 8_192]
export const initialPages = 16

interface RawMemory {
  readonly memory: WebAssembly.Memory
  readonly maximum: number
}

/**
 * Memories of closed backends, by kind. They are reused, because the address space of a dropped memory is freed only at a later garbage collection.
 */
const pools = { shared: [] as RawMemory[], private: [] as RawMemory[] }

/** Takes a memory for a backend. close() it when no thread uses it anymore. @throws EffuseError EF409 */
export const takeMemory = (isShared: boolean): LinearMemory => {
  const pool = pools[isShared ? 'shared' : 'private']
  const raw = pool.pop() ?? newMemory(isShared)
  return accessTo(raw, () => pool.push(raw))
}

const newMemory = (shared: boolean): RawMemory => {
  let problem: unknown
  for (const maximum of maximumPages) {
    try {
      return { memory: new WebAssembly.Memory({ initial: initialPages, maximum, shared }), maximum }
    } catch (error) {
      problem = error
    }
  }
  throw new EffuseError({
    code: 'EF409',
    message: `the system refuses a WebAssembly memory of even ${(maximumPages.at(-1) ?? 0) / 16} MiB`,
    hint: 'close other pages or programs, or raise the limit on address space (ulimit -v)',
    cause: problem,
  })
}

const accessTo = ({ memory, maximum }: RawMemory, giveBack: () => void): LinearMemory => {
  let isClosed = false
  // Growth detaches or replaces the buffer, so the view is renewed when the buffer has changed.
  let view = new Uint8Array(memory.buffer)
  const all = (): Uint8Array => {
    if (isClosed) throw disposed()
    if (view.buffer !== memory.buffer) view = new Uint8Array(memory.buffer)
    return view
  }
  return {
    memory,
    bytesMax: maximum * pageBytes,
    get byteLength() {
      return all().byteLength
    },
    growTo: (bytes) => {
      const missing = Math.ceil((bytes - all().byteLength) / pageBytes)
      if (missing <= 0) return true
      try {
        memory.grow(missing)
        return true
      } catch {
        return false
      }
    },
    write: (address, data) => all().set(data, address),
    read: async (address, bytes) => {
      const copy = new Uint8Array(bytes)
      copy.set(all().subarray(address, address + bytes))
      return copy
    },
    close: () => {
      if (isClosed) return
      isClosed = true
      giveBack()
    },
  }
}
