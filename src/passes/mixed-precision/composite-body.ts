/**
 * A user's composite with half operands and results: its body, retyped. A wide one widens its operands, computes as it was written and
 * narrows its results. Of any other the body is a graph with casts at its ends, and mixed precision itself decides how far they move in.
 */
import { normalForm } from '../../ir/body.ts'
import type { Edit } from '../../ir/edit.ts'
import { typeOf } from '../../ir/graph.ts'
import { regionGraph } from '../../ir/region.ts'
import { sideTables } from '../../ir/side-tables.ts'
import type { Graph, Node, Type } from '../../ir/types.ts'
import type { Value } from '../../ir/value.ts'
import type { DecidedPorts } from './problem.ts'
import type { AmpSettings } from './options.ts'

/**
 * The body with half types at the decided ports.
 * @param halved Mixed precision on the body itself; asked unless the composite is wide.
 */
export const halfBody = (
  edit: Edit,
  node: Node<'composite'>,
  ports: DecidedPorts,
  settings: AmpSettings,
  halved: (body: Graph) => Graph,
): Graph => {
  const { body } = node.attrs
  const { dtype, strict } = settings
  const types = node.inputs.map((ref, i): Type => {
    const type = typeOf(edit.base, ref)
    return ports.inputs.includes(i) ? { ...type, dtype } : type
  })
  const castAtEnds = (operands: readonly Value[], b: Value['builder']): readonly Value[] => {
    const inner = operands.map((x, i) => (ports.inputs.includes(i) ? b.cast(x, 'float32', !strict) : x))
    return b
      .inline(body, inner, sideTables(body).path)
      .map((y, i) => (ports.outputs.includes(i) ? b.cast(y, dtype, !strict) : y))
  }
  const ended = regionGraph(node.attrs.name, types, castAtEnds, node.path)
  return normalForm(ports.class === 'wide' ? ended : halved(ended))
}
