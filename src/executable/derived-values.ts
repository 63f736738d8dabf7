/**
 * Values that programs derive from variables: folded, packed, in half types. They are in the store of the variables. Their name is the hash
 * of the graph that makes them, with the store's names of the variables. So executables that share variables share derived values, and
 * averages have separate derived values.
 */
import type { Store } from '../backends/backend.ts'
import { variablesOf } from '../ir/graph.ts'
import { hashGraph } from '../ir/print.ts'
import type { Graph, Node, Type } from '../ir/types.ts'
import { graphSteps, type Program } from '../passes/program.ts'

export interface DerivedValue {
  /** Its name in the program. */
  readonly variable: string
  readonly type: Type
  /** Its name in the store. */
  readonly name: string
  /** The store's names of the variables that it is made from. */
  readonly sources: readonly string[]
}

/** The derived values that the stale steps make. */
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

/** Only name and type of a variable matter here. Its initial value does not change how the derived value is computed. */
const renamed = (node: Node<'variable'>, nameOf: (variable: string) => string): Node<'variable'> => ({
  ...node,
  attrs: { name: nameOf(node.attrs.name), trainable: false, init: { kind: 'zeros' } },
})

/** Adds them to the store; returns the function that removes them. */
export const declareDerivedValues = (store: Store, values: readonly DerivedValue[]): (() => void) => {
  for (const { name, type, sources } of values) store.declareDerived(name, type, sources)
  return () => store.releaseDerived(values.map(({ name }) => name))
}
