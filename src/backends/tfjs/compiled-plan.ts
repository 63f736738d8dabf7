/** The plan of one graph: steps in the order of the memory planner, and the buffers that each step frees. */
import { invariant } from '../../ir/diagnostics.ts'
import { liveOrder, namedUpdates, refKey } from '../../ir/graph.ts'
import type { Graph } from '../../ir/types.ts'
import { freesOf } from '../../passes/memory/lifetimes.ts'
import { usesOf, type MemoryProblem } from '../../passes/memory/problem.ts'
import { schedule } from '../../passes/memory/schedule.ts'
import type { NamedSlot, Step } from './plan-types.ts'
import { Planner, type PlannerOptions } from './planner.ts'
import type { DataId } from './tfjs-types.ts'
import type { Slot, View } from './view.ts'

export interface CompiledPlan {
  readonly steps: readonly Step[]
  /** frees[i]: buffers whose last use was step i. */
  readonly frees: readonly (readonly Slot[])[]
  readonly slotCount: number
  readonly inputs: readonly NamedSlot[]
  /** Inputs that no step reads and that are not results. They are not uploaded. */
  readonly unusedInputs: ReadonlySet<string>
  /** The variables that are read. A variable that is only updated needs no value. */
  readonly variables: readonly NamedSlot[]
  readonly constants: readonly { readonly slot: Slot; readonly dataId: DataId }[]
  readonly outputs: readonly NamedSlot[]
  readonly updates: readonly NamedSlot[]
  /** Buffers to free at the end of the run: inputs, and buffers that outputs and updates share. */
  readonly ownSlots: readonly Slot[]
  /**
   * The maximum of bytes that inputs and intermediates use at a time. Each has its own buffer, which is freed after the last use, so this is also the
   * lower bound of the order.
   */
  readonly peakBytes: number
  /** The largest of all buffers. */
  readonly largestBytes: number
}

/** @throws EffuseError EF405 if the device cannot run an op */
export const planGraph = (graph: Graph, options: PlannerOptions): CompiledPlan => {
  const planner = new Planner(graph, options)
  const views = new Map<number, View>()
  const viewOf = (key: number): View => {
    const view = views.get(key)
    invariant(view !== undefined, () => `value ${key} of ${graph.name} was not planned`)
    return view
  }
  for (const node of liveOrder(graph)) {
    const results = planner.lower(
      node,
      node.inputs.map((ref) => viewOf(refKey(ref))),
    )
    results.forEach((view, port) => views.set(refKey({ id: node.id, port }), view))
  }
  const root = (name: string, key: number): NamedSlot => {
    const view = viewOf(key)
    return { name, slot: planner.dense(view).slot, type: view.type }
  }
  const outputs = graph.outputs.map((o) => root(o.name, refKey(o.value)))
  const updates = namedUpdates(graph).map(({ name, value }) => root(name, refKey(value)))
  const kept = new Set([...outputs, ...updates].map(({ slot }) => slot))
  const problem = memoryProblem(planner, kept)
  const { order, peakBytes } = schedule(problem)
  const read = new Set([...planner.steps.flatMap(({ reads }) => reads), ...kept])
  return {
    steps: order.map((at) => planner.steps[at] as Step), // the order names each step once
    frees: freesOf(problem, usesOf(problem), order),
    slotCount: planner.slotCount,
    inputs: planner.inputs,
    unusedInputs: new Set(planner.inputs.filter(({ slot }) => !read.has(slot)).map(({ name }) => name)),
    variables: planner.variables.filter(({ slot }) => read.has(slot)),
    constants: planner.constants,
    outputs,
    updates,
    ownSlots: [...planner.ownSlots],
    peakBytes,
    largestBytes: planner.slotBytes.reduce((most, bytes) => Math.max(most, bytes), 0),
  }
}

/** The plan's slots as values of a memory problem. At the end of a run the variables take over new buffers, so their new values are results. */
const memoryProblem = (planner: Planner, kept: ReadonlySet<Slot>): MemoryProblem => {
  const fed = new Set(planner.inputs.map(({ slot }) => slot))
  return {
    values: planner.slotBytes.map((bytes, slot) => ({
      bytes,
      home: fed.has(slot) ? 'given' : planner.ownSlots.has(slot) ? 'made' : 'outside',
    })),
    steps: planner.steps.map(({ reads, writes, passesOn }) => ({
      reads,
      writes,
      updates: writes.length === 0 ? reads.slice(0, 1) : [],
      overwrites: writes.flatMap((write) => passesOn.map((read) => ({ write, read }))),
      canFail: true, // every step allocates
    })),
    results: [...kept],
    commits: [],
  }
}
