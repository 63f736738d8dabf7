/** Functions that lowerings share. */
import { opDef } from '../../../ir/ops/index.ts'
import type { EvalContext, RefTensor } from '../../../ir/op-def.ts'
import { randomUniform } from '../../../ir/philox.ts'
import { elements, type Node, type Type } from '../../../ir/types.ts'
import { invariant } from '../../../ir/diagnostics.ts'
import type { HostArray, RunContext } from '../../backend.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { denseView, type View } from '../view.ts'

/** The value of a slot that a kernel filled. */
export const made = (slot: number, type: Type): View => denseView(slot, type)

/** The operand, read in another shape with the same number of elements. */
export const as = (operand: Operand, shape: readonly number[]): Operand => ({ ...operand, shape })

/** The memory of a view, with repeated axes of size 1. */
export const stored = (view: View): Operand => ({ slot: view.slot, shape: view.shape, dtype: view.type.dtype })

/** Any op by its reference semantics: float64 arrays in, results narrowed into the backend's memory. */
export const lowerByReference = (node: Node, inputs: readonly View[], planner: Planner): readonly View[] => {
  const operands = inputs.map((view) => planner.dense(view))
  const { evalRef } = opDef(node.op)
  const slots = planner.host('reference', operands, node.types, (arrays, outputs, cx) => {
    const tensors = arrays.map((data, i): RefTensor => ({ ...(inputs[i] as View).type, data: Float64Array.from(data) }))
    const results = evalRef({ inputs: tensors, attrs: node.attrs, types: node.types, cx: evalContext(cx) })
    // Int32Array wraps and Float32Array rounds as the ops require.
    results.forEach((result, port) => (outputs[port] as HostArray).set(result))
  })
  return slots.map((slot, port) => made(slot, node.types[port] as Type)) // a slot per type
}

const evalContext = (cx: RunContext): EvalContext => ({
  constant: () => invariant(false, () => 'constants are uploaded, not evaluated') as never,
  randomUniform: (stream, count) => Float64Array.from(randomUniform({ ...cx, stream, count })),
  region: () => invariant(false, () => 'regions are lowered node by node') as never,
})

export const sizeOf = (shape: readonly number[]): number => elements(shape)
