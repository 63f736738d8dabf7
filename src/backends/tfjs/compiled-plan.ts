/** One graph, planned: a list of steps with what each frees. */
import { invariant } from '../../ir/diagnostics.ts'
import { liveOrder, refKey } from '../../ir/graph.ts'
import type { Graph, Node } from '../../ir/types.ts'
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
  /** Inputs that no step reads and no result is: they are not uploaded. */
  readonly unusedInputs: ReadonlySet<string>
  /** Those that are read: a variable that is only updated needs no value. */
  readonly variables: readonly NamedSlot[]
  readonly constants: readonly { readonly slot: Slot; readonly dataId: DataId }[]
  readonly outputs: readonly NamedSlot[]
  readonly updates: readonly NamedSlot[]
  /** Freed when all is done: what outputs and updates share, and inputs. */
  readonly ownSlots: readonly Slot[]
  readonly peakBytes: number
}

/** @throws EffuseError EF405 where the device cannot run an op. */
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
  const names = new Map(
    graph.nodes.flatMap((node) => (node?.op === 'variable' ? [[node.id, nameOf(node)] as const] : [])),
  )
  const updates = graph.updates.map((u) => root(names.get(u.variable) ?? '', refKey(u.value)))
  const kept = new Set([...outputs, ...updates].map(({ slot }) => slot))
  const frees = freesOf(planner, kept)
  const read = new Set([...planner.steps.flatMap(({ reads }) => reads), ...kept])
  return {
    steps: planner.steps,
    frees,
    slotCount: planner.slotCount,
    inputs: planner.inputs,
    unusedInputs: new Set(planner.inputs.filter(({ slot }) => !read.has(slot)).map(({ name }) => name)),
    variables: planner.variables.filter(({ slot }) => read.has(slot)),
    constants: planner.constants,
    outputs,
    updates,
    ownSlots: [...planner.ownSlots],
    peakBytes: peakBytesOf(planner, frees),
  }
}

const nameOf = (node: Node<'variable'>): string => node.attrs.name

/** After which step each buffer is done with; what is kept to the end is in no list. */
const freesOf = (planner: Planner, kept: ReadonlySet<Slot>): readonly (readonly Slot[])[] => {
  const last = new Map<Slot, number>()
  planner.steps.forEach(({ reads, writes }, at) => {
    for (const slot of writes) last.set(slot, at)
    for (const slot of reads) last.set(slot, at)
  })
  const frees: Slot[][] = planner.steps.map(() => [])
  for (const [slot, at] of last) if (planner.ownSlots.has(slot) && !kept.has(slot)) frees[at]?.push(slot)
  return frees
}

/** The most that intermediates take at once. */
const peakBytesOf = (planner: Planner, frees: readonly (readonly Slot[])[]): number => {
  const bytes = (slots: readonly Slot[]): number => slots.reduce((sum, slot) => sum + (planner.slotBytes[slot] ?? 0), 0)
  let live = bytes(planner.inputs.map(({ slot }) => slot))
  let peak = live
  planner.steps.forEach(({ writes }, at) => {
    live += bytes(writes)
    peak = Math.max(peak, live)
    live -= bytes(frees[at] ?? [])
  })
  return peak
}
