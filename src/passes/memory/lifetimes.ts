/**
 * Computes buffers from an order: which values share memory, and the time in which each buffer is in use.
 * Times: 0 .. steps - 1 are the positions in the order, -1 is before the first step, `steps` is after the last.
 */
import { isPlanned, stepAt, type MemoryProblem, type Uses } from './problem.ts'

/** A piece of memory of the plan, in use from `first` to `last`, both included. */
export interface Buffer {
  readonly bytes: number
  readonly first: number
  readonly last: number
}

export interface Lifetimes {
  readonly buffers: readonly Buffer[]
  /** The buffer of each base; -1 for values outside of the plan, for views (their base has one) and for inputs that nothing reads. */
  readonly bufferOf: Int32Array
  /** Values that are written directly into a variable's memory, each with that variable. This is the variable's last write. */
  readonly inVariable: ReadonlyMap<number, number>
  /** The position of the last use of each base: `steps` if it is read after the last step, -2 if nothing uses it. */
  readonly lastUse: Int32Array
}

/** Buffers for the steps in this order. Linear in the size of the problem. */
export const lifetimesOf = (problem: MemoryProblem, uses: Uses, order: readonly number[]): Lifetimes => {
  const { values } = problem
  const lastUse = lastUses(problem, uses, order)
  const inVariable = variableWrites(problem, uses, order, lastUse)
  const bufferOf = new Int32Array(values.length).fill(-1)
  const buffers: Draft[] = []
  const open = (base: number, first: number): void => {
    bufferOf[base] = buffers.length
    buffers.push({ bytes: bytesOf(problem, base), first, last: Math.max(first, lastUse[base] as number), takenAt: -1 })
  }
  values.forEach(({ home }, value) => {
    if (home === 'given' && (lastUse[value] as number) > -2) open(value, -1)
  })
  order.forEach((at, position) => {
    const step = stepAt(problem, at)
    for (const write of step.writes) {
      if (inVariable.has(write)) continue
      const shared = overwritten(problem, uses, at, write, (base) => {
        const buffer = isPlanned(problem, base) ? buffers[bufferOf[base] as number] : undefined
        return buffer?.last === position && buffer.takenAt < position ? (bufferOf[base] as number) : null
      })
      const buffer = shared === null ? undefined : buffers[shared]
      if (shared === null || buffer === undefined) {
        open(write, position)
        continue
      }
      bufferOf[write] = shared
      buffer.takenAt = position
      buffer.last = Math.max(position, lastUse[write] as number)
    }
  })
  return { buffers, bufferOf, inVariable, lastUse }
}

/** By position in the order: the bases that no later step uses. Values that are needed at the end are in no list. */
export const freesOf = (
  problem: MemoryProblem,
  uses: Uses,
  order: readonly number[],
): readonly (readonly number[])[] => {
  const lastUse = lastUses(problem, uses, order)
  const frees: number[][] = order.map(() => [])
  order.forEach((at, position) => {
    for (const base of new Set([...stepAt(problem, at).writes, ...(uses.ofStep[at] ?? [])]))
      if (isPlanned(problem, base) && (lastUse[base] as number) <= position) frees[position]?.push(base)
  })
  return frees
}

interface Draft extends Buffer {
  last: number
  /** The last position at which a result took the memory of an operand. */
  takenAt: number
}

const bytesOf = ({ values }: MemoryProblem, value: number): number => values[value]?.bytes ?? 0

const lastUses = ({ values, results, commits }: MemoryProblem, { bases, ofStep }: Uses, order: readonly number[]) => {
  const last = new Int32Array(values.length).fill(-2)
  order.forEach((at, position) => {
    for (const base of ofStep[at] ?? []) last[base] = position
  })
  for (const value of [...results, ...commits.map((commit) => commit.value)])
    last[bases[value] as number] = order.length
  return last
}

/**
 * The memory that a result of the step may reuse, or null. `placeOf` returns the place of an operand's base if nothing needs it after this
 * step, else null. Every other operand in the same place must allow it as well; a view that is read in another order does not.
 */
const overwritten = <P>(
  problem: MemoryProblem,
  { bases, ofStep }: Uses,
  at: number,
  write: number,
  placeOf: (base: number) => P | null,
): P | null => {
  const step = stepAt(problem, at)
  const allowed = step.overwrites.flatMap((pair) => (pair.write === write ? [pair.read] : []))
  for (const read of allowed) {
    const base = bases[read] as number
    const place = placeOf(base)
    const bytes = bytesOf(problem, write)
    if (place === null || bytesOf(problem, read) !== bytes || bytesOf(problem, base) !== bytes) continue
    const others = step.reads.filter((other) => placeOf(bases[other] as number) === place)
    const isUpdated = step.updates.some((value) => placeOf(bases[value] as number) === place)
    if (!isUpdated && others.every((other) => allowed.includes(other)) && ofStep[at]?.includes(base) === true)
      return place
  }
  return null
}

/**
 * New values that a step may write directly into the variable's memory. The conditions: nothing reads the old value later, nothing else needs the
 * new value after the run, and no later step can fail, so that a failed run does not change the variable.
 */
const variableWrites = (
  problem: MemoryProblem,
  uses: Uses,
  order: readonly number[],
  lastUse: Int32Array,
): ReadonlyMap<number, number> => {
  const { wanted } = uses
  const found = new Map<number, number>()
  const variables = new Map(problem.commits.map(({ variable, value }) => [value, variable]))
  for (let position = order.length - 1; position >= 0; position--) {
    const at = order[position] as number // below the length
    const step = stepAt(problem, at)
    if (step.canFail) break
    for (const write of step.writes) {
      const variable = variables.get(write)
      if (variable === undefined || wanted.get(write) !== 1 || wanted.has(variable)) continue
      const place = overwritten(problem, uses, at, write, (base) =>
        base === variable && (lastUse[base] as number) === position ? base : null,
      )
      if (place !== null) found.set(write, variable)
    }
  }
  return found
}
