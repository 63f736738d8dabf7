/** The memory for inputs and intermediates, shared by the executables of a store: they take turns, and nothing in it outlives a run. */
import type { Block, Space } from './runtime/space.ts'

export interface Arena {
  /** Adds an executable that needs so many bytes. Call the result when it ends. */
  use(bytes: number): () => void
  /** The block, large enough for all users. @throws EffuseError EF409 */
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
        // Smaller users get a smaller one with the next run.
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
