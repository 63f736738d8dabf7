/**
 * Values that programs derive from variables: folded, packed, in half types. They live in the store of the variables, under a name that says
 * what they are: the hash of the graph that makes them, with the variables as the store calls them. So executables that share variables share
 * what they derive from them, and averages have derived values of their own.
 */
import type { Store } from '../backends/backend.ts'
import { variablesOf } from '../ir/graph.ts'
import { hashGraph } from '../ir/print.ts'
import type { Graph, Node, Type } from '../ir/types.ts'
import { graphSteps, type Program } from '../passes/program.ts'

export interface DerivedValue {
  /** What the program calls it. */
  readonly variable: string
  readonly type: Type
  /** What the store calls it. */
  readonly name: string
  /** The variables that it is made of, as the store calls them. */
  readonly sources: readonly string[]
}

/** What the steps that run when stale make. */
export const derivedValues = (program: Program, nameOf: (variable: string) => string): readonly DerivedValue[] =>
  graphSteps(program).flatMap(({ graph, when }) => (when.kind === 'stale' ? madeBy(graph, nameOf) : []))

const madeBy = (graph: Graph, nameOf: (variable: string) => string): readonly DerivedValue[] => {
  const names = new Map(variablesOf(graph).map((node) => [node.id, node]))
  const nodes = graph.nodes.map((node) => (node?.op === 'variable' ? renamed(node, nameOf) : node))
  return graph.updates.flatMap(({ variable, value }): DerivedValue[] => {
    const node = names.get(variable)
    const [type] = node?.types ?? []
    if (node === undefined || type === undefined) return []
    const alone: Graph = Object.freeze({
      ...graph,
      name: 'derived',
      nodes,
      inputs: [],
      outputs: [{ name: 'value', value }],
      updates: [],
    })
    const sources = variablesOf(alone).map(({ attrs }) => attrs.name)
    return [{ variable: node.attrs.name, type, name: `.derived/${hashGraph(alone)}`, sources }]
  })
}

/** Only name and type of a variable matter here: where its first value comes from does not change what is made of it. */
const renamed = (node: Node<'variable'>, nameOf: (variable: string) => string): Node<'variable'> => ({
  ...node,
  attrs: { name: nameOf(node.attrs.name), trainable: false, init: { kind: 'zeros' } },
})

/** Adds them to the store; gives what takes them out again. */
export const declareDerivedValues = (store: Store, values: readonly DerivedValue[]): (() => void) => {
  for (const { name, type, sources } of values) store.declareDerived(name, type, sources)
  return () => {
    for (const { name } of values) store.releaseDerived(name)
  }
}
