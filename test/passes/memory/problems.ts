/** Random memory problems: a list of small numbers is read as values and steps. Every draw is well-formed, and shrinking removes steps. */
import fc from 'fast-check'
import type { Commit, MemoryProblem, Overwrite, PlannedStep, PlannedValue } from '../../../src/passes/memory/problem.ts'

const sizes = [16, 64, 64, 100, 256] as const
const draw = fc.record({
  kind: fc.nat(9),
  size: fc.nat(sizes.length - 1),
  picks: fc.array(fc.nat(999), { minLength: 0, maxLength: 3 }),
  writes: fc.integer({ min: 0, max: 2 }),
  isInPlace: fc.boolean(),
  canFail: fc.nat(4).map((n) => n === 0),
})
const sources = fc.array(
  fc.record({ home: fc.constantFrom('given', 'variable', 'outside'), size: fc.nat(sizes.length - 1) }),
  {
    minLength: 1,
    maxLength: 5,
  },
)

export interface ProblemShape {
  readonly stepsMax: number
  /** Steps that update values in place. */
  readonly updates: boolean
}

export const memoryProblems = ({ stepsMax, updates }: ProblemShape): fc.Arbitrary<MemoryProblem> =>
  fc
    .record({
      sources,
      draws: fc.array(draw, { minLength: 1, maxLength: stepsMax }),
      results: fc.array(fc.nat(999), { maxLength: 3 }),
      commits: fc.array(fc.nat(999), { maxLength: 5 }),
    })
    .map((spec) => problemOf(spec, updates))

interface Spec {
  readonly sources: readonly { readonly home: 'given' | 'variable' | 'outside'; readonly size: number }[]
  readonly draws: readonly {
    readonly kind: number
    readonly size: number
    readonly picks: readonly number[]
    readonly writes: number
    readonly isInPlace: boolean
    readonly canFail: boolean
  }[]
  readonly results: readonly number[]
  readonly commits: readonly number[]
}

const problemOf = (spec: Spec, hasUpdates: boolean): MemoryProblem => {
  const values: PlannedValue[] = spec.sources.map(({ home, size }) => ({ home, bytes: sizes[size] ?? 16 }))
  const steps: PlannedStep[] = []
  const news = new Map<number, number>()
  const pick = (n: number): number => n % values.length
  const baseOf = (value: number): number => {
    const here = values[value] as PlannedValue
    return here.home === 'view' ? baseOf(here.of) : value
  }
  for (const { kind, size, picks, writes, isInPlace, canFail } of spec.draws) {
    const reads = [...new Set(picks.map(pick))]
    const [first] = reads
    if (kind === 0 && first !== undefined) {
      // A view of a whole value, or of 16 bytes of it.
      values.push({ home: 'view', of: first, bytes: isInPlace ? (values[first] as PlannedValue).bytes : 16 })
      continue
    }
    const isMade = (value: number): boolean => ['made', 'given'].includes((values[baseOf(value)] as PlannedValue).home)
    if (kind === 1 && hasUpdates && first !== undefined && isMade(first)) {
      steps.push({ reads: reads.slice(1), writes: [], updates: [first], overwrites: [], canFail })
      continue
    }
    const target = values.findIndex(({ home }, value) => home === 'variable' && value % 3 === size % 3)
    if (kind === 9 && target >= 0) {
      // A step like an optimizer's: it reads the variable and other values, and writes the variable's new value.
      const write = values.push({ home: 'made', bytes: (values[target] as PlannedValue).bytes }) - 1
      news.set(target, write)
      steps.push({
        reads: [...new Set([target, ...reads])],
        writes: [write],
        updates: [],
        overwrites: [{ write, read: target }],
        canFail,
      })
      continue
    }
    const made = Array.from({ length: kind < 8 ? Math.max(1, writes) : writes }, () => {
      const bytes = isInPlace && first !== undefined ? (values[first] as PlannedValue).bytes : (sizes[size] ?? 16)
      return values.push({ home: 'made', bytes }) - 1
    })
    const overwrites: Overwrite[] = isInPlace ? made.flatMap((write) => reads.map((read) => ({ write, read }))) : []
    steps.push({
      reads,
      writes: made,
      updates: [],
      overwrites: kind % 2 === 0 ? overwrites : overwrites.slice(0, 1),
      canFail,
    })
  }
  const variables = values.flatMap(({ home }, value) => (home === 'variable' ? [value] : []))
  const commits = variables.flatMap((variable, i): readonly Commit[] => {
    const bytes = (values[variable] as PlannedValue).bytes
    const fitting = values.flatMap((value, index) => (value.bytes === bytes ? [index] : []))
    const n = spec.commits[i]
    const made = news.get(variable)
    if (made !== undefined && (n ?? 0) % 4 > 0) return [{ variable, value: made }]
    return n === undefined ? [] : [{ variable, value: fitting[n % fitting.length] ?? variable }]
  })
  return { values, steps, results: [...new Set(spec.results.map(pick))], commits }
}

/** The value that owns the bytes. */
export const baseIn = ({ values }: MemoryProblem, value: number): number => {
  const here = values[value]
  return here?.home === 'view' ? baseIn({ values, steps: [], results: [], commits: [] }, here.of) : value
}

// For hand-written problems.
export const given = (bytes: number): PlannedValue => ({ home: 'given', bytes })
export const made = (bytes: number): PlannedValue => ({ home: 'made', bytes })
export const variable = (bytes: number): PlannedValue => ({ home: 'variable', bytes })
export const outside = (bytes: number): PlannedValue => ({ home: 'outside', bytes })
export const view = (of: number, bytes: number): PlannedValue => ({ home: 'view', of, bytes })
export const step = (
  reads: readonly number[],
  writes: readonly number[],
  more: Partial<PlannedStep> = {},
): PlannedStep => ({
  reads,
  writes,
  updates: [],
  overwrites: [],
  canFail: false,
  ...more,
})
