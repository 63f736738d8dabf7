import type { Graph, Type } from '../../types.ts'
import { sameType, showType } from '../../types.ts'
import { nodeAt, typeOf } from '../../graph.ts'

/** C1: operands fit the body's inputs. C2: the body has neither variables nor updates. */
export const regionTypes = (body: Graph, inputs: readonly Type[]): readonly Type[] | string => {
  if (body.inputs.length !== inputs.length)
    return `C1: the body takes ${body.inputs.length} operands, got ${inputs.length}`
  for (const [i, id] of body.inputs.entries()) {
    const [wanted] = nodeAt(body, id).types
    const given = inputs[i]
    if (wanted === undefined || given === undefined || !sameType(wanted, given)) {
      return `C1: operand ${i} must be ${wanted === undefined ? 'typed' : showType(wanted)}, got ${given === undefined ? 'none' : showType(given)}`
    }
  }
  if (body.updates.length > 0 || body.nodes.some((n) => n?.op === 'variable'))
    return 'C2: a body has neither variables nor updates'
  return body.outputs.map((output) => typeOf(body, output.value))
}
