/**
 * The memory for inputs and intermediate values. The executables of a store share it: they run one at a time, and its contents do not outlive a run.
 */
import type { Block, Space } from './runtime/space.ts'

export interface Arena {
  /** Adds a user that needs this many bytes. Call the result when the user ends. */
  use(bytes: number): () => void
  /** The arena's block, large enough for all users. @throws EffuseError EF409 */
  ensure(hint: () => string | undefined): Block
}

export const makeArena = (space: Space): Arena => {
  const needs = new Map<object, number>()
  let block: Block | null = null
  const give = (): void => {
    if (block !== null) space.release(block)
    block = null
  }
  return {
    use: (bytes) => {
      const user = {}
      needs.set(user, bytes)
      return () => {
        needs.delete(user)
        // A smaller block is allocated at the next run.
        if (block !== null && block.bytes > Math.max(0, ...needs.values())) give()
      }
    },
    ensure: (hint) => {
      const bytes = Math.max(0, ...needs.values())
      if (block === null || block.bytes < bytes) {
        give()
        block = space.allocate(bytes, () => 'the arena, the memory of inputs and intermediate values', hint)
      }
      return block
    },
  }
}
