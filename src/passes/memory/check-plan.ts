/**
 * Checks a memory plan by running it on labels instead of numbers. Each region of memory records which value, in which version, was written there
 * last. If a step finds a label other than the problem requires, the plan is wrong. The checker shares no analysis with the planner: neither
 * lifetimes nor dependencies.
 */
import type { MemoryConstraints } from '../../ir/target.ts'
import { MarkedMemory, type Region } from './marked-memory.ts'
import type { MemoryPlan } from './plan.ts'
import type { MemoryProblem, PlannedStep } from './problem.ts'

/** The property of a plan that is violated. */
export type PlanRule =
  | 'each step runs once'
  | 'a read finds its value'
  | 'operands and results lie apart'
  | 'buffers lie in their arenas, aligned'
  | 'no arena is read and written by one step'
  | 'variables change after the last step that can fail'
  | 'variables have their new values at the end'
  | 'results are there at the end'
  | 'figures are right'

export interface PlanFault {
  readonly rule: PlanRule
  readonly message: string
}

/** The faults of a plan. If the list is empty, the plan computes what the problem requires, within the constraints. n log n. */
export const checkPlan = (plan: MemoryPlan, constraints: MemoryConstraints): readonly PlanFault[] => {
  const faults: PlanFault[] = []
  const fault = (rule: PlanRule, message: string): void => {
    faults.push({ rule, message })
  }
  checkOrder(plan, fault)
  if (faults.length > 0) return faults // without a valid order nothing else can be checked
  checkArenas(plan, constraints, fault)
  const labels = expectedLabels(plan.problem)
  const memory = new MarkedMemory(plan)
  const lastFailing = plan.order.findLastIndex((at) => plan.problem.steps[at]?.canFail === true)
  plan.order.forEach((at, position) => {
    const step = plan.problem.steps[at] as PlannedStep // the order was checked
    const where = `step ${at} at position ${position}`
    const expected = labels.steps[at] as ReadonlyMap<number, number> // of every step
    for (const value of [...step.reads, ...step.updates]) {
      const found = memory.find(value, expected.get(value) as number)
      if (found !== null) fault('a read finds its value', `${where} reads value ${value}: ${found}`)
    }
    checkOverlaps(memory, step, where, fault)
    if (constraints.exclusiveWrites) checkExclusive(memory, step, where, fault)
    for (const value of [...step.writes, ...step.updates]) {
      const region = memory.regionOf(value)
      const isVariable = region?.space.startsWith('variable') === true
      if (isVariable && position <= lastFailing)
        fault('variables change after the last step that can fail', `${where} writes ${region.space}`)
    }
    for (const value of step.writes) memory.write(value, 0)
    for (const value of step.updates) memory.write(value, (expected.get(value) as number) + 1)
  })
  checkEnd(plan, memory, labels.final, fault)
  return faults
}

type Fault = (rule: PlanRule, message: string) => void

const checkOrder = ({ problem, order }: MemoryPlan, fault: Fault): void => {
  const runs = new Uint8Array(problem.steps.length)
  for (const at of order) {
    if (problem.steps[at] === undefined) fault('each step runs once', `there is no step ${at}`)
    else if (runs[at] === 1) fault('each step runs once', `step ${at} runs twice`)
    runs[at] = 1
  }
  const missing = runs.indexOf(0)
  if (missing >= 0) fault('each step runs once', `step ${missing} does not run`)
}

/** The version of each value that each step reads in the listed order, and the version at the end. */
const expectedLabels = (problem: MemoryProblem) => {
  const versions = new Map<number, number>()
  const baseOf = (value: number): number => {
    const here = problem.values[value]
    return here?.home === 'view' ? baseOf(here.of) : value
  }
  const versionOf = (value: number): number => versions.get(baseOf(value)) ?? 0
  const steps = problem.steps.map(({ reads, updates }) => {
    const found = new Map([...reads, ...updates].map((value) => [value, versionOf(value)]))
    for (const value of new Set(updates)) versions.set(baseOf(value), versionOf(value) + 1)
    return found
  })
  return { steps, final: versionOf }
}

const checkArenas = (plan: MemoryPlan, { alignment, arenaBytesMax }: MemoryConstraints, fault: Fault): void => {
  const rule = 'buffers lie in their arenas, aligned'
  const bytesOf = (value: number): number =>
    plan.problem.values[value]?.bytes ?? plan.extras[value - plan.problem.values.length] ?? 0
  plan.places.forEach((place, value) => {
    if (place === null || 'variable' in place) return
    if (place.offset % alignment !== 0)
      fault(rule, `value ${value} lies at ${place.offset}, no multiple of ${alignment}`)
    const bytes = plan.arenas[place.arena] ?? -1
    if (place.offset < 0 || place.offset + bytesOf(value) > bytes)
      fault(rule, `value ${value} ends at ${place.offset + bytesOf(value)}, arena ${place.arena} at ${bytes}`)
  })
  plan.arenas.forEach((bytes, arena) => {
    if (bytes > arenaBytesMax) fault(rule, `arena ${arena} has ${bytes} bytes of at most ${arenaBytesMax}`)
  })
  const sum = plan.arenas.reduce((total, bytes) => total + bytes, 0)
  if (plan.arenaBytes !== sum) fault('figures are right', `arenaBytes is ${plan.arenaBytes}, the arenas have ${sum}`)
  if (plan.lowerBoundBytes > sum)
    fault('figures are right', `the lower bound ${plan.lowerBoundBytes} is above the ${sum} bytes used`)
}

/** A result must not overlap operands or other results, except an operand that it may overwrite; then it has exactly that region. */
const checkOverlaps = (memory: MarkedMemory, step: PlannedStep, where: string, fault: Fault): void => {
  const rule = 'operands and results lie apart'
  const written = step.writes.map((value) => ({ value, region: memory.regionOf(value) }))
  for (const { value, region } of written) {
    const isAllowed = (read: number, other: Region): boolean =>
      step.overwrites.some((pair) => pair.write === value && pair.read === read) && isSame(region, other)
    for (const read of step.reads) {
      const other = memory.regionOf(read)
      if (overlap(region, other) && !isAllowed(read, other as Region))
        fault(rule, `${where} writes value ${value} over its operand ${read}`)
    }
    for (const update of step.updates)
      if (overlap(region, memory.regionOf(update)))
        fault(rule, `${where} writes value ${value} over value ${update}, which it updates`)
    for (const other of written)
      if (other.value !== value && overlap(region, other.region))
        fault(rule, `${where} writes values ${value} and ${other.value} into one place`)
  }
}

const isSame = (a: Region | null, b: Region): boolean =>
  a !== null && a.space === b.space && a.start === b.start && a.end === b.end

const overlap = (a: Region | null, b: Region | null): boolean =>
  a !== null && b !== null && a.space === b.space && a.start < b.end && b.start < a.end

const checkExclusive = (memory: MarkedMemory, step: PlannedStep, where: string, fault: Fault): void => {
  const written = [...step.writes, ...step.updates].map((value) => memory.regionOf(value))
  for (const value of step.reads) {
    const read = memory.regionOf(value)
    if (read === null || !read.space.startsWith('arena') || written.some((region) => isSame(region, read))) continue
    if (written.some((region) => region?.space === read.space))
      fault(
        'no arena is read and written by one step',
        `${where} reads value ${value} from ${read.space}, where it writes`,
      )
  }
}

const checkEnd = (plan: MemoryPlan, memory: MarkedMemory, final: (value: number) => number, fault: Fault): void => {
  const { values, results, commits } = plan.problem
  const isExtra = (value: number): boolean => value >= values.length
  plan.tail.forEach(({ from, to }, i) => {
    const found = isExtra(from) ? null : memory.find(from, final(from))
    if (found !== null) fault('a read finds its value', `move ${i} of the tail reads value ${from}: ${found}`)
    if (isExtra(from)) memory.copy(from, to)
    else memory.writeAs(to, from, final(from))
  })
  for (const { variable, value } of commits) {
    const found = memory.findAs(variable, value, final(value))
    if (found !== null)
      fault('variables have their new values at the end', `variable ${variable} is not value ${value}: ${found}`)
  }
  results.forEach((value, i) => {
    const at = plan.results[i] ?? -1
    const found = memory.findAs(at, value, final(value))
    if (found !== null) fault('results are there at the end', `result ${i}, value ${value}: ${found}`)
    if (memory.regionOf(at)?.space.startsWith('variable') === true)
      fault('results are there at the end', `result ${i} is the memory of a variable, which the next run may write`)
  })
  // A variable without a commit must keep its value.
  const committed = new Set(commits.map(({ variable }) => variable))
  values.forEach(({ home }, value) => {
    const found = home === 'variable' && !committed.has(value) ? memory.find(value, final(value)) : null
    if (found !== null) fault('variables have their new values at the end', `variable ${value} changed: ${found}`)
  })
}
