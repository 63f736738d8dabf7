/** Is the result of a pass a graph? A pass may be a user's function. The verifier checks whether the graph is well-formed. */
import { isRecord } from '../ir/attrs.ts'
import { showGiven } from '../ir/diagnostics.ts'
import type { Graph } from '../ir/types.ts'
import type { Program } from './program.ts'

/** Describes the fault in the result of a pass over a graph, as the continuation of "it gave"; null if it is a graph. */
export const graphFault = (given: unknown, before: Graph): string | null => {
  if (given === before) return null
  if (!isRecord(given)) return wrongKind(given, 'a graph')
  const { name, nodes, inputs, outputs, updates } = given
  if (typeof name !== 'string' || !Array.isArray(nodes)) return wrongKind(given, 'a graph')
  for (let at = 0; at < nodes.length; at++) {
    const node: unknown = nodes[at]
    const fault = at < before.nodes.length && node === before.nodes[at] ? null : nodeFault(node)
    if (fault !== null) return `a graph whose node ${at} is ${fault}`
  }
  if (!Array.isArray(inputs) || !inputs.every((id) => typeof id === 'number'))
    return `a graph whose inputs are ${showGiven(inputs)}, not a list of ids of nodes`
  if (
    !Array.isArray(outputs) ||
    !outputs.every((o) => isRecord(o) && typeof o['name'] === 'string' && isRef(o['value']))
  )
    return `a graph whose outputs are ${showGiven(outputs)}, not a list of names and values`
  if (
    !Array.isArray(updates) ||
    !updates.every((u) => isRecord(u) && typeof u['variable'] === 'number' && isRef(u['value']))
  )
    return `a graph whose updates are ${showGiven(updates)}, not a list of variables and values`
  return null
}

/** The same for a pass over the program. */
export const programFault = (given: unknown, before: Program): string | null => {
  if (given === before) return null
  if (!isRecord(given) || typeof given['name'] !== 'string') return wrongKind(given, 'a program')
  const { steps, crossing } = given
  if (!Array.isArray(steps) || !Array.isArray(crossing)) return wrongKind(given, 'a program')
  for (const step of steps as readonly unknown[]) {
    if (!isRecord(step) || typeof step['name'] !== 'string' || !isRecord(step['when']))
      return `a program with ${showGiven(step)} for a step`
    if (step['kind'] !== 'graph') continue
    const was = before.steps.find((other) => other.name === step['name'])
    const fault = graphFault(step['graph'], was?.kind === 'graph' ? was.graph : emptyGraph)
    if (fault !== null) return `a program whose step "${step['name']}" is ${fault}`
  }
  return null
}

const emptyGraph: Graph = { name: '', nodes: [], inputs: [], outputs: [], updates: [] }

const wrongKind = (given: unknown, wanted: string): string =>
  isRecord(given) && typeof given['then'] === 'function'
    ? `a promise, not ${wanted}: a pass must not be async`
    : `${showGiven(given)}, not ${wanted}${given === undefined ? ': does it end with return?' : ''}`

/** A removed node is null. Every other node has all its parts. */
const nodeFault = (node: unknown): string | null => {
  if (node === null) return null
  if (!isRecord(node)) return `${showGiven(node)}; a removed node is null`
  const { id, op, inputs, attrs, types, path } = node
  const isWhole =
    typeof id === 'number' &&
    typeof op === 'string' &&
    Array.isArray(inputs) &&
    inputs.every(isRef) &&
    isRecord(attrs) &&
    Array.isArray(types) &&
    types.every(isType) &&
    typeof path === 'string'
  return isWhole ? null : `${showGiven(node)}; make nodes by Edit or a Builder`
}

const isType = (value: unknown): boolean =>
  isRecord(value) && typeof value['dtype'] === 'string' && Array.isArray(value['shape'])

const isRef = (value: unknown): boolean =>
  isRecord(value) && typeof value['id'] === 'number' && typeof value['port'] === 'number'
