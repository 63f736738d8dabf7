/**
 * The blocks of a linear memory. A block is allocated from the free ranges; if none is large enough, the memory grows. The bytes of the memory may be
 * in the calling thread or in another thread; `Bytes` hides the difference.
 */
import { EffuseError } from '../../../ir/diagnostics.ts'
import { disposed } from './errors.ts'
import { type Allocator, blockBytes, makeAllocator } from './allocator.ts'

/** Access to the bytes of a memory. Calls take effect in call order, and in order with runs. */
export interface Bytes {
  /** The maximum size of the memory. */
  readonly bytesMax: number
  /** The current size. */
  readonly byteLength: number
  /** Grows the memory to at least this size; returns false if the system refuses. */
  growTo(bytes: number): boolean
  write(address: number, data: Uint8Array): void
  /** A copy of the bytes at the time of the call. */
  read(address: number, bytes: number): Promise<Uint8Array<ArrayBuffer>>
}

/** A block of memory with the number of its holders. It is written once, before others can read it. */
export interface Block {
  readonly address: number
  readonly bytes: number
  holders: number
  /** Packed forms that were made from this block, by form. They are freed with it. */
  forms: Map<string, Block> | null
}

export interface Space {
  readonly bytes: Bytes
  /** The maximum size of all blocks together. */
  readonly bytesMax: number
  /** @throws EffuseError EF409; `what` names the block, `hint` says what would help */
  allocate(bytes: number, what: () => string, hint?: () => string | undefined): Block
  /** Removes one holder. The block is freed with its last holder. */
  release(block: Block): void
  readonly usedBytes: number
  /** After this call, allocations fail. */
  close(): void
}

/** The size of a page: the unit of growth of a WebAssembly memory. */
export const pageBytes = 65_536
/** Kernels may read this many bytes past the end of a buffer. They never write there. */
export const slackBytes = 64
/** The memory grows in steps of this size, so that small blocks do not grow it one by one. */
const growthStep = 16 * pageBytes

/** Address 0 is reserved: no block has it, so it can mean "none". */
export const makeSpace = (bytes: Bytes, bytesMax = bytes.bytesMax): Space => {
  const allocator = makeAllocator(blockBytes(1), Math.min(bytes.byteLength, bytesMax) - slackBytes)
  let isClosed = false
  const grow = (needed: number): boolean => {
    const least = allocator.end - allocator.freeAtEnd + blockBytes(needed) + slackBytes
    if (least > bytesMax) return false
    const wanted = Math.min(bytesMax, Math.ceil(least / growthStep) * growthStep)
    if (!bytes.growTo(wanted) && !bytes.growTo(Math.ceil(least / pageBytes) * pageBytes)) return false
    allocator.extend(Math.min(bytes.byteLength, bytesMax) - slackBytes)
    return true
  }
  return {
    bytes,
    bytesMax,
    allocate: (size, what, hint) => {
      if (isClosed) throw disposed()
      let address = allocator.allocate(size)
      if (address === null && grow(size)) address = allocator.allocate(size)
      if (address === null) throw tooLittle(size, allocator.usedBytes, bytesMax, what(), hint?.())
      return { address, bytes: size, holders: 1, forms: null }
    },
    release: (block) => release(block, allocator),
    get usedBytes() {
      return allocator.usedBytes
    },
    close: () => {
      isClosed = true
    },
  }
}

const release = (block: Block, allocator: Allocator): void => {
  if (--block.holders > 0) return
  allocator.free(block.address)
  for (const form of block.forms?.values() ?? []) release(form, allocator)
}

const tooLittle = (size: number, used: number, bytesMax: number, what: string, hint?: string): EffuseError =>
  new EffuseError({
    code: 'EF409',
    message: `the backend wasm needs ${mebibytes(size)} for ${what}; ${mebibytes(used)} of at most ${mebibytes(bytesMax)} are in use, and no free range is large enough`,
    hint:
      hint ??
      'dispose of results and executables that are no longer needed, or use a smaller batch or smaller pictures',
  })

export const mebibytes = (bytes: number): string =>
  bytes < 2 ** 20
    ? `${bytes.toLocaleString('en-US')} bytes`
    : `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`
