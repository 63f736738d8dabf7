/**
 * Moves everything that depends on variables and constants alone out of the step `run` into the step `prepare`, which runs when variables have
 * changed. The values are passed as derived variables: `prepare` updates them, `run` reads them. For inference only: if a step updates the
 * variables that it reads, nothing may be hoisted.
 */
import { Edit } from '../ir/edit.ts'
import { cached, liveOrder, nodeAt, refKey, rootsOf, variablesOf } from '../ir/graph.ts'
import type { Graph, Node, Ref, Update } from '../ir/types.ts'
import type { Value } from '../ir/value.ts'
import { definePass } from './pass.ts'
import { findGraph, graphStep, mainStep, replaceStep } from './program.ts'
import { pruned } from './prune.ts'

/** Prefix of the names of derived variables. Users' names cannot have it, because paths never start with a dot. */
export const derivedPrefix = '.prepared/'

export const hoistPrepare = definePass({
  name: 'hoist-prepare',
  summary: 'work on variables alone, once instead of each run',
  phase: 'lower',
  preserves: 'bits',
  hoists: true,
  runProgram: (program, cx) => {
    const run = findGraph(program, mainStep)
    if (run === undefined || run.updates.length > 0 || findGraph(program, prepareStep) !== undefined) return program
    const hoisted = hoistedValues(run)
    if (hoisted.length === 0) return program
    cx.report('hoisted values', hoisted.length)
    return replaceStep(program, mainStep, [
      graphStep(prepareStep, prepareGraph(run, hoisted), { kind: 'stale' }),
      graphStep(mainStep, runGraph(run, hoisted)),
    ])
  },
})

/** Makes derived variables from variables; runs when they are stale. */
export const prepareStep = 'prepare'

interface Hoisted {
  readonly ref: Ref
  readonly node: Node
  readonly name: string
}

/**
 * Static values that a non-static node or a root needs, except variables and literals. A static broadcast stays in `run`, and its operand is
 * passed instead: repeating it in the consumer is cheaper than storing it.
 */
const hoistedValues = (graph: Graph): readonly Hoisted[] => {
  const isStatic = staticNodes(graph)
  const hoisted = new Map<number, Hoisted>()
  const names = derivedNames(graph)
  const hoist = (ref: Ref): void => {
    const node = nodeAt(graph, ref.id)
    const [operand] = node.inputs
    if (
      !isStatic.has(node.id) ||
      operand === undefined ||
      !variableDependence(graph).has(node.id) ||
      hoisted.has(refKey(ref))
    )
      return
    if (node.op === 'broadcast') hoist(operand)
    else hoisted.set(refKey(ref), { ref, node, name: names() })
  }
  for (const node of liveOrder(graph)) if (!isStatic.has(node.id)) for (const ref of node.inputs) hoist(ref)
  for (const ref of rootsOf(graph)) hoist(ref)
  return [...hoisted.values()]
}

/** Names that the graph does not use yet: this pass may already have run on a graph given as text. */
const derivedNames = (graph: Graph): (() => string) => {
  const taken = new Set(variablesOf(graph).map((n) => n.attrs.name))
  let next = 0
  return () => {
    while (taken.has(`${derivedPrefix}${next}`)) next++
    return `${derivedPrefix}${next++}`
  }
}

const staticNodes = (graph: Graph): ReadonlySet<number> => {
  const found = new Set<number>()
  for (const node of liveOrder(graph)) {
    const isSource = node.op === 'variable' || node.op === 'constant' || node.op === 'iota'
    if (isSource || (node.inputs.length > 0 && node.inputs.every((ref) => found.has(ref.id)))) found.add(node.id)
  }
  return found
}

/** Arithmetic on literals alone is left to constant folding. */
const variableDependence = (graph: Graph): ReadonlySet<number> =>
  cached(dependence, graph, (g) => {
    const depends = new Set<number>()
    for (const node of liveOrder(g))
      if (node.op === 'variable' || node.inputs.some((ref) => depends.has(ref.id))) depends.add(node.id)
    return depends
  })
const dependence = new WeakMap<Graph, ReadonlySet<number>>()

const prepareGraph = (run: Graph, hoisted: readonly Hoisted[]): Graph => {
  const edit = new Edit(run, 'hoist-prepare')
  const updates = hoisted.map(
    ({ ref, node, name }): Update => ({ variable: derivedVariable(edit, ref, node, name).id, value: ref }),
  )
  edit.setOutputs([])
  edit.setUpdates(updates)
  edit.setInputs([])
  return pruned(edit.commit(), `${run.name}.${prepareStep}`)
}

const runGraph = (run: Graph, hoisted: readonly Hoisted[]): Graph => {
  const edit = new Edit(run, 'hoist-prepare')
  for (const { ref, node, name } of hoisted) edit.replaceUses(ref, derivedVariable(edit, ref, node, name))
  return pruned(edit.commit(), run.name)
}

const derivedVariable = (edit: Edit, ref: Ref, node: Node, name: string): Value =>
  edit.add('variable', [], { name, trainable: false, init: { kind: 'zeros' } }, node, node.path, [edit.typeOf(ref)])
