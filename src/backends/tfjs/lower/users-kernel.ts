/** Runs composites by the kernels that users provide for them. */
import { kernelsOfComposite, type TfjsKernel } from '../../../ir/composite-kernels.ts'
import type { Node, Type } from '../../../ir/types.ts'
import type { Device } from '../device.ts'
import type { LowerFunction } from '../lowering.ts'
import { made } from './shared.ts'

/** The kernel for the composite on this device; null if there is none, or if it is for other operands. The body runs then. */
export const usersKernel = (node: Node, { kernel }: Device): TfjsKernel | null => {
  if (node.op !== 'composite' || node.types.length !== 1 || node.types[0]?.dtype !== 'float32') return null
  const own = kernelsOfComposite(node).tfjs
  // Large literals of a body are operands after the user's own, and the kernel has no names for them.
  const fits = own !== undefined && own.operands.length === node.inputs.length && kernel(own.kernel) !== null
  return fits ? own : null
}

export const lowerComposite: LowerFunction<'composite'> = ({ node, inputs, types, planner }) => {
  const own = usersKernel(node, planner.device)
  const type = types[0] as Type // a composite with a kernel has one result
  if (own === null) throw planner.unsupported('the pass decompose must replace it, and did not run')
  const operands = Object.fromEntries(
    own.operands.map((name, i) => {
      const view = inputs[i]
      if (view === undefined) throw planner.unsupported(`its kernel ${own.kernel} needs an operand ${name}`)
      return [name, planner.dense(view)]
    }),
  )
  return [made(planner.kernel(own.kernel, operands, own.attrs ?? {}, type), type)]
}
