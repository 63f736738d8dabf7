/**
 * What happens after the last step: results that are a variable's memory are copied, then all variables take their new values at once.
 * The values may be other variables' old values, so the moves are put in an order in which nothing is overwritten before it was read; where
 * there is none, as in a swap, one value waits in a temporary ("parallel moves": Rideau, Serpette and Leroy 2008, "Tilting at windmills with Coq").
 */
import type { Move } from './plan.ts'
import type { MemoryProblem, Uses } from './problem.ts'

export interface CommitTail {
  readonly moves: readonly Move[]
  readonly extras: readonly number[]
  readonly results: readonly number[]
}

/** @param inVariable Values that already lie in the variable's memory when the steps are done. */
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
  /** The variable whose old value this is. */
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
    // Frees one variable after another, as long as nothing reads what is overwritten.
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
    // All that is left are cycles: the old value is kept elsewhere for its readers.
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
