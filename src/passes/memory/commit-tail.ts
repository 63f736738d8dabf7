/**
 * The moves after the last step: results that are in a variable's memory are copied, then all variables get their new values.
 * A new value may be another variable's old value, so the moves are ordered such that nothing is overwritten before it is read. If no such order
 * exists, as in a swap, one value is copied to a temporary first ("parallel moves": Rideau, Serpette and Leroy 2008, "Tilting at windmills with Coq").
 */
import type { Move } from './plan.ts'
import type { MemoryProblem, Uses } from './problem.ts'

export interface CommitTail {
  readonly moves: readonly Move[]
  readonly extras: readonly number[]
  readonly results: readonly number[]
}

/** @param inVariable Values that are already in the variable's memory after the last step. */
export const commitTail = (
  problem: MemoryProblem,
  { bases }: Uses,
  inVariable: ReadonlyMap<number, number>,
): CommitTail => {
  const { values, results, commits } = problem
  const moves: Move[] = []
  const extras: number[] = []
  const copy = (value: number): number => {
    const extra = values.length + extras.push(values[value]?.bytes ?? 0) - 1
    moves.push({ from: value, to: extra })
    return extra
  }
  /** The variable of which this is the old value. */
  const variableOf = (value: number): number | null => {
    const base = bases[value] as number
    return values[base]?.home === 'variable' ? base : null
  }
  const copies = new Map<number, number>()
  const kept = results.map((value) => {
    if (variableOf(value) === null) return value
    const known = copies.get(value) ?? copy(value)
    copies.set(value, known)
    return known
  })
  const pending = commits
    .map(({ variable, value }) => ({ to: variable, from: value, source: variableOf(value) }))
    .filter(({ to, from, source }) => source !== to && inVariable.get(from) !== to)
  /** How many moves still read the old value of a variable. */
  const readers = new Map<number, number>()
  const count = (source: number | null, by: number): void => {
    if (source !== null) readers.set(source, (readers.get(source) ?? 0) + by)
  }
  for (const { source } of pending) count(source, 1)
  const byTarget = new Map(pending.map((move) => [move.to, move]))
  const drain = (start: number): void => {
    // Writes one variable after another while no other move reads the overwritten value.
    for (let to = start; (readers.get(to) ?? 0) === 0; ) {
      const move = byTarget.get(to)
      if (move === undefined) return
      byTarget.delete(to)
      moves.push({ from: move.from, to })
      if (move.source === null) return
      count(move.source, -1)
      to = move.source
    }
  }
  for (const { to } of pending) drain(to)
  for (const blocked of pending) {
    if (!byTarget.has(blocked.to)) continue
    // Only cycles are left: the old value is copied to a temporary for its readers.
    for (const reader of byTarget.values()) {
      if (reader.source !== blocked.to) continue
      count(reader.source, -1)
      reader.from = copy(reader.from)
      reader.source = null
    }
    drain(blocked.to)
  }
  return { moves, extras, results: kept }
}
