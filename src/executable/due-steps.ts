/**
 * Selects the steps of a run by their conditions. The host keeps copies of counters, because reading a counter waits for the device. It reads
 * one only if another program may have changed it.
 */
import type { StoreTurn } from '../backends/backend.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import { graphSteps, type Program, type Step, traffic } from '../passes/program.ts'

export interface DueSteps {
  /** Names of the steps of the next run, in order. @throws EffuseError EF408: a counter has a value that the program never gives it. */
  of(turn: StoreTurn): Promise<readonly string[]>
  /** Call it when they have run, in the same turn. It sets the counters to the values that these steps write. */
  ran(turn: StoreTurn): void
}

/** A variable that steps wait for. A step that updates it adds 1, or, if it waits for the variable, resets it to 0. */
interface Counter {
  readonly variable: string
  /** The value that steps wait for. */
  readonly reached: number
  readonly waiting: string
  /** The host's copy for this version of the variable; after the next run it is `next`. */
  count: number
  next: number
  version: number
}

export const makeDueSteps = (program: Program, nameOf: (variable: string) => string): DueSteps => {
  const counters = countersOf(program)
  const written = new Map(
    graphSteps(program).map((step) => [step.name, new Set(traffic(step, program).variablesWritten)] as const),
  )
  /** The store's version at which a step's derived values were last fresh. While it does not change, a run need not check each of them. */
  const freshAt = new Map<string, number>()
  const isStale = (step: string, turn: StoreTurn): boolean => {
    const version = turn.storeVersion()
    if (freshAt.get(step) === version) return false
    const stale = [...(written.get(step) ?? [])].some((derived) => turn.isStale(nameOf(derived)))
    if (!stale) freshAt.set(step, version)
    return stale
  }
  const isDue = ({ name, when }: Step, turn: StoreTurn): boolean => {
    if (when.kind === 'always') return true
    if (when.kind === 'stale') return isStale(name, turn)
    return counters.get(when.variable)?.next === when.value
  }
  return {
    of: async (turn) => {
      for (const counter of counters.values()) {
        await refresh(counter, turn, nameOf)
        counter.next = counter.count
      }
      const due: string[] = []
      for (const step of program.steps) {
        if (!isDue(step, turn)) continue
        due.push(step.name)
        for (const counter of counters.values())
          if (written.get(step.name)?.has(counter.variable) === true)
            counter.next =
              step.when.kind === 'counter' && step.when.variable === counter.variable ? 0 : counter.next + 1
      }
      return due
    },
    ran: (turn) => {
      for (const counter of counters.values()) {
        counter.count = counter.next
        counter.version = turn.versionOf(nameOf(counter.variable))
      }
    },
  }
}

const countersOf = ({ steps }: Program): ReadonlyMap<string, Counter> =>
  new Map(
    steps.flatMap(({ name, when }) =>
      when.kind === 'counter'
        ? [
            [
              when.variable,
              { variable: when.variable, reached: when.value, waiting: name, count: 0, next: 0, version: -1 },
            ],
          ]
        : [],
    ),
  )

const refresh = async (counter: Counter, turn: StoreTurn, nameOf: (variable: string) => string): Promise<void> => {
  const { variable, reached, waiting } = counter
  const name = nameOf(variable)
  const version = turn.versionOf(name)
  if (version === counter.version) return
  const [count] = (await turn.read([name])).get(name) ?? []
  if (count === undefined || count < 0 || count >= reached)
    throw new EffuseError({
      code: 'EF408',
      message: `the variable "${variable}" is ${count}; here it is at least 0 and below ${reached}, at which "${waiting}" runs`,
      hint: `a file of a step that counts further is loaded with { except: '${variable.replace(/[^/]*$/, '**')}' }`,
    })
  counter.count = count
  counter.version = version
}
