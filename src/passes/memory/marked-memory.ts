/** Memory that remembers what was written where: for checking plans without running anything. */
import type { MemoryPlan } from './plan.ts'

/** Bytes start .. end - 1 of an arena, or of what lies outside of the plan. */
export interface Region {
  readonly space: string
  readonly start: number
  readonly end: number
}

/** A piece of memory and what lies there: the bytes of a value in a version. */
interface Piece {
  readonly start: number
  readonly end: number
  readonly label: string
}

export class MarkedMemory {
  readonly #plan: MemoryPlan
  /** The pieces of each space, by start, apart from one another. */
  readonly #spaces = new Map<string, Piece[]>()
  readonly #bases: readonly number[]

  /** Inputs, variables and constants are there. */
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

  /** Where a value lies, with all of its base where it is a view; null where it has no memory. */
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

  /** Null where the value lies in its place in this version, else what is there. */
  find(value: number, version: number): string | null {
    return this.#differs(value, this.#label(this.#baseOf(value), version))
  }

  /** Does the place of `at` hold the bytes of `value`? Null where it does. */
  findAs(at: number, value: number, version: number): string | null {
    if (this.#baseOf(at) === this.#baseOf(value)) return this.find(at, version)
    return this.#differs(at, this.#label(value, version))
  }

  write(value: number, version: number): void {
    this.#mark(this.regionOf(value), this.#label(this.#baseOf(value), version))
  }

  /** The bytes of `value` into the place of `to`. */
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

  /** The one piece that is exactly this region. */
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
    // What is written over in part is gone as a whole: it cannot be read any more.
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
