/**
 * Values that programs derive from variables: folded, packed, in half types. They are in the store of the variables. Their name is the text of
 * the program that makes them, with the store's names of the variables. So executables that share variables share derived values, and
 * averages have separate derived values.
 */
import type { Store } from '../backends/backend.ts'
import { attrsJson, exactJson } from '../ir/exact-json.ts'
import { type CacheByParts, cachedByParts, findNode, isRegion, liveOrder } from '../ir/graph.ts'
import { type Graph, type Node, type NodeId, type Ref, showType, type Type } from '../ir/types.ts'
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

const madeBy = (graph: Graph, nameOf: (variable: string) => string): readonly DerivedValue[] =>
  graph.updates.flatMap(({ variable, value }): DerivedValue[] => {
    const node = findNode(graph, variable)
    const [type] = node?.types ?? []
    if (node?.op !== 'variable' || type === undefined) return []
    const { text, sources } = programOf(graph, value, nameOf)
    return [{ variable: node.attrs.name, type, name: `.derived/${text}`, sources }]
  })

/**
 * The nodes that compute the value, operands first, and the variables among them. Equal texts mean equal values. Only name and type of a variable
 * matter here: its initial value does not change how the value is computed.
 */
const programOf = (
  graph: Graph,
  value: Ref,
  nameOf: (variable: string) => string,
): { readonly text: string; readonly sources: readonly string[] } => {
  const alone: Graph = Object.freeze({ ...graph, inputs: [], outputs: [{ name: 'value', value }], updates: [] })
  const sources: string[] = []
  const places = new Map<NodeId, number>()
  const shown = ({ id, port }: Ref): string => `${places.get(id)}.${port}`
  let text = ''
  for (const node of liveOrder(alone)) {
    places.set(node.id, places.size)
    if (node.op === 'variable') sources.push(nameOf(node.attrs.name))
    const own = node.op === 'variable' ? JSON.stringify(sources.at(-1)) : attrsText(node)
    // The other types follow from the operands.
    const types = node.inputs.length === 0 ? node.types.map(showType).join() : ''
    text += `${node.op}(${node.inputs.map(shown).join()})${own}${types}\n`
  }
  return { text: text + shown(value), sources }
}

const attrsText = (node: Node): string =>
  isRegion(node)
    ? exactJson({ ...node.attrs, body: null }) + cachedByParts(bodyTexts, node.attrs.body, exactJson)
    : attrsJson(node.attrs)
/** Bodies have no paths and are in normal form, so equal bodies have equal texts. */
const bodyTexts: CacheByParts<string> = new WeakMap()

/** Adds them to the store; returns the function that removes them. */
export const declareDerivedValues = (store: Store, values: readonly DerivedValue[]): (() => void) => {
  for (const { name, type, sources } of values) store.declareDerived(name, type, sources)
  return () => store.releaseDerived(values.map(({ name }) => name))
}
