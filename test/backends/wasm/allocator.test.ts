/** Compares the allocator with a model that tracks every unit: blocks never overlap, and sufficient free ranges are found. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { blockBytes, makeAllocator } from '../../../src/backends/wasm/runtime/allocator.ts'

const unit = 64
const start = 2 * unit
const end = 40 * unit

type Command =
  | { readonly kind: 'allocate'; readonly bytes: number }
  | { readonly kind: 'free'; readonly which: number }
  | { readonly kind: 'extend'; readonly units: number }

const commands: fc.Arbitrary<readonly Command[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('allocate' as const), bytes: fc.nat(9 * unit) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('free' as const), which: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('extend' as const), units: fc.nat(8) }) },
  ),
  { maxLength: 80 },
)

test('it agrees with a map of units: first fit, no overlap, adjacent free ranges merge', () => {
  fc.assert(
    fc.property(commands, (sequence) => {
      const allocator = makeAllocator(start, end)
      /** For each unit: is it in use? */
      const units: boolean[] = [
        ...new Array<boolean>(start / unit).fill(true),
        ...new Array<boolean>((end - start) / unit).fill(false),
      ]
      const blocks: { address: number; size: number }[] = []
      const firstFit = (size: number): number | null => {
        for (let at = 0, run = 0; at < units.length; at++) {
          run = units[at] === true ? 0 : run + 1
          if (run === size) return at - size + 1
        }
        return null
      }
      for (const command of sequence) {
        if (command.kind === 'allocate') {
          const size = Math.max(1, Math.ceil(command.bytes / unit))
          expect(blockBytes(command.bytes)).toBe(size * unit)
          const want = firstFit(size)
          const address = allocator.allocate(command.bytes)
          expect(address).toBe(want === null ? null : want * unit)
          if (address === null || want === null) continue
          units.fill(true, want, want + size)
          blocks.push({ address, size })
        } else if (command.kind === 'free') {
          const [block] = blocks.length === 0 ? [] : blocks.splice(command.which % blocks.length, 1)
          if (block === undefined) continue
          allocator.free(block.address)
          units.fill(false, block.address / unit, block.address / unit + block.size)
          expect(() => allocator.free(block.address)).toThrow(RangeError)
        } else {
          units.push(...new Array<boolean>(command.units).fill(false))
          allocator.extend(units.length * unit)
        }
        const free = units.lastIndexOf(true)
        expect(allocator.freeAtEnd).toBe((units.length - 1 - free) * unit)
        expect(allocator.usedBytes).toBe(blocks.reduce((sum, { size }) => sum + size * unit, 0))
        expect(allocator.end).toBe(units.length * unit)
      }
    }),
  )
})
