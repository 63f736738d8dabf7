/**
 * Offsets for buffers with lifetimes. The largest buffer first, each into the smallest gap between buffers that live at the same time ("greedy by
 * size", Pisarchyk and Lee 2020, "Efficient memory management for deep neural net inference"). If the result is above the lower bound, the
 * longest-lived first is tried too, and the smaller result is used. Finding the smallest arena is NP-hard (Garey and Johnson, problem SR2).
 */
import type { MemoryConstraints } from '../../ir/target.ts'
import { EffuseError } from '../../ir/diagnostics.ts'
import type { Buffer } from './lifetimes.ts'

export interface Layout {
  /** By buffer. */
  readonly places: readonly { readonly arena: number; readonly offset: number }[]
  /** Bytes of each arena. */
  readonly arenas: readonly number[]
}

/** By buffer: the buffers that may not share its arena. Each pair is in both lists. */
export type Conflicts = readonly (readonly number[])[]

/**
 * @param lowerBoundBytes If the first rule reaches it, no other rule is tried.
 * @throws EffuseError EF409 if a buffer is larger than the largest allowed arena.
 */
export const layOut = (
  buffers: readonly Buffer[],
  conflicts: Conflicts,
  constraints: MemoryConstraints,
  lowerBoundBytes: number,
): Layout => {
  const largest = buffers.reduce((most, { bytes }) => Math.max(most, bytes), 0)
  if (largest > constraints.arenaBytesMax)
    throw new EffuseError({
      code: 'EF409',
      message: `one value takes ${largest.toLocaleString('en-US')} bytes; the largest buffer of this machine has ${constraints.arenaBytesMax.toLocaleString('en-US')}`,
      hint: 'use a smaller batch, or smaller pictures',
    })
  const indexes = buffers.map((_, index) => index)
  const of = (index: number): Buffer => buffers[index] as Buffer // made of the same array
  const life = (index: number): number => of(index).last - of(index).first
  const bySize = (a: number, b: number): number => of(b).bytes - of(a).bytes || life(b) - life(a) || a - b
  const first = placeAll(buffers, [...indexes].sort(bySize), conflicts, constraints)
  if (total(first) <= lowerBoundBytes) return first
  const byLife = (a: number, b: number): number => life(b) - life(a) || of(b).bytes - of(a).bytes || a - b
  const second = placeAll(buffers, [...indexes].sort(byLife), conflicts, constraints)
  return total(second) < total(first) ? second : first
}

const total = ({ arenas }: Layout): number => arenas.reduce((sum, bytes) => sum + bytes, 0)

const placeAll = (
  buffers: readonly Buffer[],
  sequence: readonly number[],
  conflicts: Conflicts,
  { alignment, arenaBytesMax }: MemoryConstraints,
): Layout => {
  const arenas: Arena[] = []
  const places: { arena: number; offset: number }[] = []
  for (const index of sequence) {
    const buffer = buffers[index] as Buffer // the sequence names them all
    const taken = new Set((conflicts[index] ?? []).map((other) => places[other]?.arena))
    const bytes = Math.ceil(buffer.bytes / alignment) * alignment
    let best: { readonly arena: number; readonly offset: number; readonly growth: number } | null = null
    for (let arena = 0; arena < arenas.length && best?.growth !== 0; arena++) {
      const held = arenas[arena] as Arena
      if (taken.has(arena)) continue
      const offset = holeFor(held, buffer, bytes)
      const growth = Math.max(0, offset + bytes - held.bytes)
      if (offset + buffer.bytes <= arenaBytesMax && (best === null || growth < best.growth))
        best = { arena, offset, growth }
    }
    if (best === null) best = { arena: arenas.push(newArena(buffers.length)) - 1, offset: 0, growth: bytes }
    places[index] = { arena: best.arena, offset: best.offset }
    insert(arenas[best.arena] as Arena, buffer, best.offset, bytes)
  }
  return { places, arenas: arenas.map(({ bytes }) => Math.min(bytes, arenaBytesMax)) }
}

/** The buffers of an arena, by offset. Numbers in arrays are fast; each buffer is compared with all earlier ones. */
interface Arena {
  bytes: number
  count: number
  readonly offsets: Float64Array
  readonly ends: Float64Array
  readonly firsts: Int32Array
  readonly lasts: Int32Array
}

const newArena = (most: number): Arena => ({
  bytes: 0,
  count: 0,
  offsets: new Float64Array(most),
  ends: new Float64Array(most),
  firsts: new Int32Array(most),
  lasts: new Int32Array(most),
})

/** The smallest sufficient gap between buffers that live at the same time; after them if there is no gap. */
const holeFor = ({ count, offsets, ends, firsts, lasts }: Arena, { first, last }: Buffer, bytes: number): number => {
  let [end, best, bestHole] = [0, -1, Number.POSITIVE_INFINITY]
  for (let i = 0; i < count; i++) {
    if ((firsts[i] as number) > last || (lasts[i] as number) < first) continue
    const hole = (offsets[i] as number) - end
    if (hole >= bytes && hole < bestHole) [best, bestHole] = [end, hole]
    if ((ends[i] as number) > end) end = ends[i] as number
  }
  return best === -1 ? end : best
}

const insert = (arena: Arena, { first, last }: Buffer, offset: number, bytes: number): void => {
  const { count, offsets, ends, firsts, lasts } = arena
  let [low, high] = [0, count]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((offsets[middle] as number) <= offset) low = middle + 1
    else high = middle
  }
  for (const array of [offsets, ends, firsts, lasts]) array.copyWithin(low + 1, low, count)
  offsets[low] = offset
  ends[low] = offset + bytes
  firsts[low] = first
  lasts[low] = last
  arena.count++
  arena.bytes = Math.max(arena.bytes, offset + bytes)
}
