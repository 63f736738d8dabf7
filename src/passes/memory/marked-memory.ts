/** Memory that records what was written where. It is used to check plans without running them. */
import type { MemoryPlan } from './plan.ts'

/** Bytes start .. end - 1 of an arena, or of memory outside of the plan. */
export interface Region {
  readonly space: string
  readonly start: number
  readonly end: number
}

/** A region of memory and its content: the bytes of a value in a version. */
interface Piece {
  readonly start: number
  readonly end: number
  readonly label: string
}

export class MarkedMemory {
  readonly #plan: MemoryPlan
  /** The regions of each space, sorted by start, without overlap. */
  readonly #spaces = new Map<string, Piece[]>()
  readonly #bases: readonly number[]

  /** Writes inputs, variables and constants to their places. */
  constructor(plan: MemoryPlan) {
    this.#plan = plan
    const { values } = plan.problem
    const baseOf = (value: number): number => {
      const here = values[value]
      return here?.home === 'view' ? baseOf(here.of) : value
    }
    this.#bases = values.map((_, value) => baseOf(value))
    values.forEach(({ home }, value) => {
      if (home !== 'made' && home !== 'view') this.write(value, 0)
    })
  }

  /** The region of a value; for a view, with its whole base; null if it has no memory. */
  regionOf(value: number): Region | null {
    const { problem, places, extras } = this.#plan
    const base = this.#baseOf(value)
    const here = problem.values[base]
    const end = here?.bytes ?? extras[base - problem.values.length] ?? 0
    const place = places[value] ?? null
    if (place === null) return here?.home === 'outside' ? { space: `outside ${base}`, start: 0, end } : null
    if ('variable' in place) return { space: `variable ${place.variable}`, start: 0, end }
    return { space: `arena ${place.arena}`, start: place.offset, end: place.offset + end }
  }

  /** Null if the value is in its place in this version, else the content of the place. */
  find(value: number, version: number): string | null {
    return this.#differs(value, this.#label(this.#baseOf(value), version))
  }

  /** Null if the place of `at` has the bytes of `value`, else the content of the place. */
  findAs(at: number, value: number, version: number): string | null {
    if (this.#baseOf(at) === this.#baseOf(value)) return this.find(at, version)
    return this.#differs(at, this.#label(value, version))
  }

  write(value: number, version: number): void {
    this.#mark(this.regionOf(value), this.#label(this.#baseOf(value), version))
  }

  /** Writes the bytes of `value` to the place of `to`. */
  writeAs(to: number, value: number, version: number): void {
    this.#mark(this.regionOf(to), this.#label(value, version))
  }

  copy(from: number, to: number): void {
    const region = this.regionOf(from)
    const piece = region === null ? undefined : this.#at(region)
    this.#mark(this.regionOf(to), piece?.label ?? 'nothing')
  }

  #baseOf(value: number): number {
    return this.#bases[value] ?? value
  }

  #label(value: number, version: number): string {
    return `value ${value}, version ${version}`
  }

  #differs(at: number, label: string): string | null {
    const region = this.regionOf(at)
    if (region === null) return 'it has no memory'
    if (region.start === region.end) return null
    const found = this.#at(region)
    return found?.label === label
      ? null
      : `${region.space} from ${region.start} on holds ${found?.label ?? 'pieces of several'}, not ${label}`
  }

  /** The entry that covers exactly this region. */
  #at({ space, start, end }: Region): Piece | undefined {
    const pieces = this.#spaces.get(space) ?? []
    const piece = pieces[firstEndingAfter(pieces, start)]
    return piece?.start === start && piece.end === end ? piece : undefined
  }

  #mark(region: Region | null, label: string): void {
    if (region === null || region.start === region.end) return
    const { space, start, end } = region
    const pieces = this.#spaces.get(space) ?? []
    this.#spaces.set(space, pieces)
    const first = firstEndingAfter(pieces, start)
    let next = first
    while (next < pieces.length && (pieces[next] as Piece).start < end) next++
    // A value that is partly overwritten is removed completely: it cannot be read any more.
    pieces.splice(first, next - first, { start, end, label })
  }
}

const firstEndingAfter = (pieces: readonly Piece[], start: number): number => {
  let [low, high] = [0, pieces.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((pieces[middle] as Piece).end <= start) low = middle + 1
    else high = middle
  }
  return low
}
