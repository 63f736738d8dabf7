/**
 * The input of the memory planner, as plain data without IR: steps that read and write values of known sizes. It describes a graph
 * (from-graph.ts) and a backend's list of kernels (the tfjs backend). Values and steps are indexes into the arrays of the problem.
 * The listed order defines the meaning: if a step updates a value in place, exactly the readers listed after it see the update.
 */
import { invariant } from '../../ir/diagnostics.ts'

/**
 * The origin of a value's bytes.
 * - `made`: exactly one step writes it, into memory of the plan.
 * - `given`: it is in memory of the plan before the first step (an input).
 * - `variable`: it is in the variable's own memory, which only the commits of the plan write.
 * - `outside`: it is outside of the plan and is only read (a constant).
 * - `view`: another interpretation of all or some bytes of another value. No step writes it.
 */
export type PlannedValue =
  | { readonly home: 'made' | 'given' | 'variable' | 'outside'; readonly bytes: number }
  | { readonly home: 'view'; readonly of: number; readonly bytes: number }

export interface PlannedStep {
  readonly reads: readonly number[]
  readonly writes: readonly number[]
  /** Values that it reads and changes in place. */
  readonly updates: readonly number[]
  /** A result may overwrite an operand of equal size: element i of the operand is read before element i of the result is written. */
  readonly overwrites: readonly Overwrite[]
  /** A run may end here with an error. Variables are written in their own memory only after every such step. */
  readonly canFail: boolean
}

export interface Overwrite {
  readonly write: number
  readonly read: number
}

/** The variable takes the value when the run ends; all commits happen together. */
export interface Commit {
  readonly variable: number
  readonly value: number
}

export interface MemoryProblem {
  readonly values: readonly PlannedValue[]
  readonly steps: readonly PlannedStep[]
  /** Values that are read after the last step. */
  readonly results: readonly number[]
  /** At most one per variable. Empty if a store takes over new buffers; the values are then results. */
  readonly commits: readonly Commit[]
}

/** By value: the value that owns its bytes, which is the value itself or, for a view, its base. */
const basesOf = ({ values }: MemoryProblem): Int32Array => {
  const bases = new Int32Array(values.length).fill(-1)
  const baseOf = (value: number): number => {
    const chain: number[] = []
    let at = value
    while (bases[at] === -1) {
      const here = values[at]
      invariant(here !== undefined, () => `a memory problem has no value ${at}`)
      invariant(chain.length <= values.length, () => `value ${value} of a memory problem is a view of itself`)
      chain.push(at)
      if (here.home !== 'view') break
      at = here.of
    }
    const base = bases[at] === -1 ? at : (bases[at] as number)
    for (const seen of chain) bases[seen] = base
    return base
  }
  for (let value = 0; value < values.length; value++) baseOf(value)
  return bases
}

/** The parts that do not depend on the order, computed once for all compared orders. */
export interface Uses {
  readonly bases: Int32Array
  /** The bases that each step uses without writing them first, each once. */
  readonly ofStep: readonly (readonly number[])[]
  /** How many results and commits need a base after the last step. */
  readonly wanted: ReadonlyMap<number, number>
}

export const usesOf = (problem: MemoryProblem): Uses => {
  const bases = basesOf(problem)
  const baseOf = (value: number): number => bases[value] as number
  const wanted = new Map<number, number>()
  for (const value of [...problem.results, ...problem.commits.map((commit) => commit.value)])
    wanted.set(baseOf(value), (wanted.get(baseOf(value)) ?? 0) + 1)
  const ofStep = problem.steps.map(({ reads, updates }) => [...new Set([...reads, ...updates].map(baseOf))])
  return { bases, ofStep, wanted }
}

export const stepAt = ({ steps }: MemoryProblem, at: number): PlannedStep => {
  const step = steps[at]
  invariant(step !== undefined, () => `a memory problem has no step ${at}`)
  return step
}

/** Does the plan provide the memory of this base? */
export const isPlanned = ({ values }: MemoryProblem, base: number): boolean => {
  const home = values[base]?.home
  return home === 'made' || home === 'given'
}

/** Dependencies of steps: the successors of each step, and its number of predecessors. A pair may occur twice. */
export interface Dependencies {
  readonly successors: readonly (readonly number[])[]
  readonly predecessors: readonly (readonly number[])[]
}

/** @throws EffuseError EF901 if a value is written twice, or read before the step that writes it. */
export const dependenciesOf = (problem: MemoryProblem, { bases, ofStep }: Uses): Dependencies => {
  const { values, steps } = problem
  const successors: number[][] = steps.map(() => [])
  const predecessors: number[][] = steps.map(() => [])
  const before = (first: number, second: number): void => {
    if (first === second) return
    successors[first]?.push(second)
    predecessors[second]?.push(first)
  }
  const writer = new Int32Array(values.length).fill(-1)
  const updated = updatedClasses(problem, bases)
  /** For each class of values with updates: the last update, and all steps that used the class since. */
  const touched = new Map<number, { last: number | null; since: number[] }>()
  steps.forEach((step, at) => {
    const uses = ofStep[at] ?? []
    for (const base of uses) {
      if (values[base]?.home !== 'made') continue
      invariant(
        (writer[base] as number) >= 0,
        () => `step ${at} of a memory problem reads value ${base} before it is written`,
      )
      before(writer[base] as number, at)
    }
    for (const value of step.writes) {
      invariant(
        values[value]?.home === 'made' && writer[value] === -1,
        () => `value ${value} of a memory problem is not written once`,
      )
      writer[value] = at
    }
    const updates = new Set(step.updates.map((value) => updated.get(bases[value] as number)))
    for (const kind of new Set([...uses, ...step.writes].map((base) => updated.get(base)))) {
      if (kind === undefined) continue
      const state = touched.get(kind) ?? { last: null, since: [] }
      touched.set(kind, state)
      if (state.last !== null) before(state.last, at)
      if (updates.has(kind)) {
        for (const earlier of state.since) before(earlier, at)
        state.last = at
        state.since = []
      } else state.since.push(at)
    }
  })
  return { successors, predecessors }
}

/**
 * The class number of bases that a step updates, and of values that may share their memory (a result that overwrites an operand).
 * Every other value keeps its content once it is written, so only reading after writing matters for it.
 */
const updatedClasses = ({ steps }: MemoryProblem, bases: Int32Array): ReadonlyMap<number, number> => {
  const updates = steps.flatMap((step) => step.updates.map((value) => bases[value] as number))
  if (updates.length === 0) return new Map()
  const neighbours = new Map<number, number[]>()
  for (const { overwrites } of steps) {
    for (const { write, read } of overwrites) {
      const [a, b] = [bases[write] as number, bases[read] as number]
      neighbours.set(a, [...(neighbours.get(a) ?? []), b])
      neighbours.set(b, [...(neighbours.get(b) ?? []), a])
    }
  }
  const classes = new Map<number, number>()
  for (const start of updates) {
    const open = [start]
    for (let base = open.pop(); base !== undefined; base = open.pop()) {
      if (classes.has(base)) continue
      classes.set(base, classes.get(start) ?? start)
      open.push(...(neighbours.get(base) ?? []))
    }
  }
  return classes
}
