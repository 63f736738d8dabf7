/** Adds the nodes of a body to the graph of an emitter. */
import { EffuseError } from './diagnostics.ts'
import type { OpEmitter } from './emitter.ts'
import { liveOrder } from './graph.ts'
import type { Graph, NodeId, Ref } from './types.ts'
import { makeValue, type Value } from './value.ts'

/** Adds the body on these operands and returns its outputs; `pathOf` as in OpEmitter.inline(). */
export const inlineInto = (
  b: OpEmitter,
  body: Graph,
  operands: readonly Value[],
  pathOf: (id: NodeId) => string,
): readonly Value[] => {
  const values = new Map<number, readonly Value[]>()
  body.inputs.forEach((id, i) => {
    const operand = operands[i]
    if (operand === undefined)
      throw new EffuseError({
        code: 'EF103',
        message: `the body takes ${body.inputs.length} operands, got ${operands.length}`,
      })
    values.set(id, [operand])
  })
  const valueAt = (ref: Ref): Value => {
    const value = values.get(ref.id)?.[ref.port]
    if (value === undefined)
      throw new EffuseError({ code: 'EF104', message: 'the body uses a value that it does not define' })
    return value
  }
  for (const node of liveOrder(body)) {
    if (node.op === 'input') continue
    const path = pathOf(node.id)
    const at = path === '' || path === b.path ? b : b.emitterAt(path)
    const made = at.emit(node.op, node.inputs.map(valueAt), node.attrs, node.types)
    values.set(
      node.id,
      at === b ? made : made.map((value) => (value.builder === at ? makeValue(b, value, value) : value)),
    )
  }
  return body.outputs.map((output) => valueAt(output.value))
}
