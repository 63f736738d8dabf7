/** Sources: inputs, stored values, or values that are made once. Inputs and variables get their slots at the start of the plan. */
import { opDef } from '../../../ir/ops/index.ts'
import { randomUniform } from '../../../ir/philox.ts'
import { sideTables } from '../../../ir/side-tables.ts'
import type { SourceOps } from '../../../ir/signatures.ts'
import { elements } from '../../../ir/types.ts'
import { hostArrayOf } from '../../backend.ts'
import type { Lowering } from '../lowering.ts'
import { made } from './shared.ts'

export const sourceLowering: { readonly [K in keyof SourceOps]: Lowering<K> } = {
  input: ({ attrs: { name }, types: [type], planner }) => [planner.inputSlot(name, type)],
  variable: ({ attrs: { name }, types: [type], planner }) => [planner.variableSlot(name, type)],

  constant: ({ attrs: { value }, types: [type], planner }) => {
    if (typeof value === 'number') return [planner.splat(type, value)]
    const numbers = 'sha256' in value ? sideTables(planner.graph).constants.get(value.sha256).data : value
    return [planner.constant(type, planner.rounded(type.dtype, hostArrayOf(type.dtype, numbers)))]
  },

  // Known at compile time, so uploaded as a constant.
  iota: ({ attrs, types: [type], planner }) => {
    const [numbers] = opDef('iota').evalRef({ inputs: [], attrs, types: [type], cx: noContext })
    return [planner.constant(type, planner.rounded(type.dtype, hostArrayOf(type.dtype, numbers ?? [])))]
  },

  // If JavaScript cannot access the device's memory, the numbers would have to be fed. No program needs that yet.
  randomUniform: ({ attrs: { stream }, types: [type], planner }) => {
    const count = elements(type.shape)
    return [
      made(
        planner.host1('philox', [], type, (_inputs, [out], cx) => out?.set(randomUniform({ ...cx, stream, count }))),
        type,
      ),
    ]
  },
}

const never = (): never => {
  throw new Error('a source has no context')
}
const noContext = { constant: never, randomUniform: never, region: never }
