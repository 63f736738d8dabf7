/**
 * Turns kernel calls into a list of dispatches with a memory plan. Each phase is a step of the memory problem, so that a temporary lives only while
 * the phases of its kernel need it. Results and new values of variables are in separate blocks outside of the arena, since they outlive the run.
 */
import type { MemoryConstraints } from '../../ir/target.ts'
import type { Phase } from '../codegen/kernel/kernel.ts'
import { planMemory } from '../../passes/memory/plan-memory.ts'
import type { MemoryPlan } from '../../passes/memory/plan.ts'
import type { MemoryProblem, PlannedStep, PlannedValue } from '../../passes/memory/problem.ts'
import { schedule } from '../../passes/memory/schedule.ts'
import { baseOf, bytesOf, type CompiledStep, type KernelCall } from './compile-step.ts'
import { inPlacePairs } from './in-place.ts'
import type { KernelLibrary } from './kernel-library.ts'

/** A phase of a kernel with its values. */
export interface PlannedDispatch {
  readonly kernel: number
  readonly phase: number
  /** For each buffer of the kernel the base of its value: its slot in the table of addresses. */
  readonly slots: readonly number[]
  readonly origin: KernelCall['origin']
  /** The dispatch is skipped if the address of its last buffer is 0: that packed form is up to date. */
  readonly isOptional: boolean
}

export interface DispatchPlan {
  /** In execution order. */
  readonly dispatches: readonly PlannedDispatch[]
  /** For each value its base: the value that owns its bytes. */
  readonly bases: readonly number[]
  /** For each value its offset in the arena; null if it is not in the arena. A view has the offset of its base. */
  readonly offsets: readonly (number | null)[]
  /** Bases that outlive the run: results and new values of variables. */
  readonly kept: ReadonlySet<number>
  /** Bases that a dispatch reads, and kept bases. Other bases need no memory. */
  readonly used: ReadonlySet<number>
  readonly memory: MemoryPlan
  /** The arena and the kept values that the run computes: the maximum that a run takes. */
  readonly peakBytes: number
}

/** @param crossing Inputs that earlier steps of the run computed. They are in blocks of their own. */
export const planDispatches = (
  step: CompiledStep,
  library: KernelLibrary,
  crossing: ReadonlySet<string>,
  constraints: MemoryConstraints,
): DispatchPlan => {
  const bases = step.values.map((_, value) => baseOf(step.values, value))
  const kept = new Set([...step.outputs, ...step.updates].map(({ value }) => bases[value] as number)) // every value has a base
  const dispatchesOf = (call: KernelCall, isOptional: boolean): readonly PlannedDispatch[] =>
    phasesOf(library, call).map((_, phase) => ({
      kernel: call.kernel,
      phase,
      slots: call.buffers.map((value) => bases[value] as number),
      origin: call.origin,
      isOptional,
    }))
  const listed = step.calls.flatMap((call) => dispatchesOf(call, false))
  const problem = problemOf(step, library, { bases, kept, crossing })
  // The order minimizes the peak with results included. In the plan itself, results take no space in the arena.
  const inArena: MemoryProblem = {
    ...problem,
    values: problem.values.map((value, at) => (kept.has(bases[at] as number) ? { ...value, bytes: 0 } : value)),
  }
  // One arena of any size: the caller compares it with the available memory.
  const memory = planMemory(inArena, { ...constraints, arenaBytesMax: Number.MAX_SAFE_INTEGER }, schedule(problem))
  const made = [...kept].filter((base) => step.values[base]?.source.kind === 'made')
  return {
    dispatches: [
      ...step.packs.flatMap((call) => dispatchesOf(call, true)),
      ...memory.order.map((at) => listed[at] as PlannedDispatch), // the order names each once
    ],
    bases,
    offsets: memory.places.map((place, value) =>
      place !== null && 'offset' in place && !kept.has(bases[value] as number) ? place.offset : null,
    ),
    kept,
    used: new Set([
      ...kept,
      ...step.packs.flatMap(({ buffers }) => buffers),
      ...problem.steps.flatMap(({ reads, writes, updates }) => [...reads, ...writes, ...updates]),
    ]),
    memory,
    peakBytes: made.reduce((sum, base) => sum + (problem.values[base]?.bytes ?? 0), memory.arenaBytes),
  }
}

const phasesOf = ({ kernels }: KernelLibrary, { kernel }: KernelCall): readonly Phase[] => kernels[kernel]?.phases ?? []

interface Bases {
  readonly bases: readonly number[]
  readonly kept: ReadonlySet<number>
  readonly crossing: ReadonlySet<string>
}

/** No variable is updated in place, because a run may fail. New values are results, which the store takes over after the run. */
const problemOf = (step: CompiledStep, library: KernelLibrary, { bases, kept, crossing }: Bases): MemoryProblem => {
  const values = step.values.map((value, at): PlannedValue => {
    const bytes = bytesOf(value)
    const { source } = value
    if (source.kind === 'view') return { home: 'view', of: source.of, bytes }
    if (source.kind === 'made') return { home: 'made', bytes }
    // A fed value that is also a result is uploaded to a block of its own.
    if (source.kind === 'input' && !crossing.has(source.name) && !kept.has(at)) return { home: 'given', bytes }
    return { home: 'outside', bytes }
  })
  const written = new Set<number>()
  const pairs = new Map<Phase, ReturnType<typeof inPlacePairs>>()
  const steps = step.calls.flatMap((call) => {
    const valueAt = (buffer: number): number => bases[call.buffers[buffer] as number] as number // every buffer has a value
    return phasesOf(library, call).map((phase): PlannedStep => {
      const loaded = new Set(phase.exprs.flatMap((expr) => (expr.kind === 'load' ? [valueAt(expr.buffer)] : [])))
      const stored = [...new Set(phase.stores.map(({ buffer }) => valueAt(buffer)))]
      // The phase completes a value that an earlier phase has started to write.
      const updates = stored.filter((value) => written.has(value))
      const writes = stored.filter((value) => !written.has(value))
      for (const value of writes) written.add(value)
      const inPlace = pairs.get(phase) ?? inPlacePairs(phase, library.kernels[call.kernel]?.buffers ?? [])
      pairs.set(phase, inPlace)
      const overwrites = inPlace
        .map(({ write, read }) => ({ write: valueAt(write), read: valueAt(read) }))
        .filter(({ write }) => writes.includes(write) && !kept.has(write))
      return {
        reads: [...loaded].filter((value) => !updates.includes(value)),
        writes,
        updates,
        overwrites,
        canFail: true,
      }
    })
  })
  return { values, steps, results: [...kept], commits: [] }
}
