import { inlineElementsMax } from '../../constants.ts'
import { type CacheByParts, cachedByParts, liveOrder, nodeAt, typeOf } from '../../graph.ts'
import { sameType, showType, type Graph, type Node, type Type } from '../../types.ts'

/** The constraints of all regions. */
export const regionConstraints: readonly string[] = [
  'C1: operands fit the inputs of the body',
  'C2: the body has neither variables nor updates',
  'C3: the body is in normal form: live nodes only, in canonical order from 0, inputs and outputs named by position, no paths; so equal bodies are equal data',
  `C4: literals of more than ${inlineElementsMax} elements, and those kept beside the graph, are operands`,
]

/** The types of a region's results, or what is wrong with its body or its operands. */
export const regionTypes = (body: Graph, inputs: readonly Type[]): readonly Type[] | string => {
  const fault = cachedByParts(faults, body, bodyFault)
  if (fault !== null) return fault
  if (body.inputs.length !== inputs.length)
    return `C1: the body takes ${body.inputs.length} operands, got ${inputs.length}`
  for (const [i, id] of body.inputs.entries()) {
    const [wanted] = nodeAt(body, id).types
    const given = inputs[i]
    if (wanted === undefined || given === undefined || !sameType(wanted, given)) {
      return `C1: operand ${i} must be ${wanted === undefined ? 'typed' : showType(wanted)}, got ${given === undefined ? 'none' : showType(given)}`
    }
  }
  return body.outputs.map((output) => typeOf(body, output.value))
}

const faults: CacheByParts<string | null> = new WeakMap()

/** C2 to C4. */
const bodyFault = (body: Graph): string | null => {
  if (body.updates.length > 0 || body.nodes.some((n) => n?.op === 'variable'))
    return 'C2: a body has neither variables nor updates'
  const unusual = abnormality(body)
  if (unusual !== null)
    return `C3: the body is not in normal form, ${unusual}; emitRegion() and normalForm() make bodies`
  const large = body.nodes.find((n) => n !== null && isLargeLiteral(n))
  return large === undefined
    ? null
    : `C4: the body has the literal ${large?.types.map(showType)}; it must be an operand`
}

/** The name of every body: nothing depends on it. */
export const bodyName = 'body'

/** Is the literal too large for a body, or stored beside the graph? A body has no constants beside it. */
export const isLargeLiteral = (node: Node): node is Node<'constant'> =>
  node.op === 'constant' &&
  typeof node.attrs.value === 'object' &&
  ('sha256' in node.attrs.value || node.attrs.value.length > inlineElementsMax)

/** Why a graph is not a body in normal form, or null. */
const abnormality = (body: Graph): string | null => {
  if (body.name !== bodyName) return `its name is ${JSON.stringify(body.name)}, not "${bodyName}"`
  const isInput = (at: number): boolean => at < body.inputs.length
  for (const [at, node] of body.nodes.entries()) {
    if (node === null) return `node ${at} is gone`
    if (node.id !== at || node.inputs.some(({ id }) => id >= at)) return `node ${at} is not numbered in order`
    if (node.path !== '') return `node ${at} has the path ${JSON.stringify(node.path)}`
    if ((node.op === 'input') !== isInput(at)) return 'its inputs are not its first nodes'
    if (node.op === 'input' && node.attrs.name !== String(at)) return `input ${at} is not named by its position`
  }
  if (body.inputs.some((id, at) => id !== at)) return 'its inputs are not its first nodes'
  if (body.outputs.some(({ name }, at) => name !== String(at))) return 'its outputs are not named by their positions'
  if (body.outputs.some(({ value }) => value.id >= body.nodes.length)) return null // found as an undefined value
  const order = liveOrder(body)
  return order.length === body.nodes.length && order.every(({ id }, at) => id === at)
    ? null
    : 'its nodes are not in canonical order'
}
