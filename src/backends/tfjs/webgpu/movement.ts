/** Movement, bit by bit. Reshapes and broadcasts are views, as on the other devices of this backend; transposes and reverses are strided copies. */
import type { MovementOps } from '../../../ir/signatures.ts'
import { stridesOf } from '../../../ir/ops/shape.ts'
import { elements, sameShape, type Type } from '../../../ir/types.ts'
import { lowerBroadcast, lowerReshape, lowerReverse, lowerTranspose } from '../lower/movement.ts'
import { made } from '../lower/shared.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { coordinates } from './index-math.ts'
import { operandGroups, operandsMax } from './operand-groups.ts'
import { Parameters } from './parameters.ts'
import { elementType, literal } from '../../webgpu/wgsl/library.ts'

const lowerSlice: LowerFunction<'slice'> = ({ attrs: { starts, strides }, inputs: [x], types: [type], planner }) => {
  const operand = planner.dense(x)
  if (sameShape(operand.shape, type.shape)) return [made(operand.slot, type)]
  const dense = stridesOf(operand.shape)
  const at = starts.reduce((sum, start, axis) => sum + start * (dense[axis] ?? 0), 0)
  const steps = strides.map((stride, axis) => stride * (dense[axis] ?? 0))
  return [made(planner.moved(operand, type, at, steps, 'slice'), type)]
}

const lowerPad: LowerFunction<'pad'> = ({ attrs: { low, interior, value }, inputs: [x], types: [type], planner }) => {
  const operand = planner.dense(x)
  const strides = stridesOf(operand.shape)
  const p = new Parameters()
  const coordinate = coordinates('i', type.shape, [], p)
  // Along each axis an element of the result has a source element or is the padding number.
  const axes = type.shape.map((_, axis) => {
    const gap = (interior[axis] ?? 0) + 1
    const t = `t${axis}`
    return {
      text: `let ${t} = i32(c${axis}) - ${p.i(low[axis] ?? 0)};`,
      isInside: `${t} >= 0 && ${t} < ${p.i(((operand.shape[axis] ?? 1) - 1) * gap + 1)}${gap === 1 ? '' : ` && ${t} % ${p.i(gap)} == 0`}`,
      at: `${gap === 1 ? t : `(${t} / ${p.i(gap)})`} * ${p.i(strides[axis] ?? 0)}`,
    }
  })
  const body = `${coordinate}
  ${axes.map(({ text }) => text).join('\n  ')}
  var y = ${p.constant(value, type.dtype)};
  if (${axes.map(({ isInside }) => isInside).join(' && ') || 'true'}) { y = x0[${axes.map(({ at }) => at).join(' + ') || '0'}]; }
  result[i] = y;`
  return [made(planner.shader('pad', [operand], type, { body, parameters: p }), type)]
}

const lowerConcatenate: LowerFunction<'concatenate'> = ({ attrs: { axis }, inputs, types, planner }) => {
  const [type] = types as readonly [Type] // one output
  const joined = concatenated(
    inputs.map((view) => planner.dense(view)),
    axis,
    planner,
  )
  return [made(joined.slot, type)]
}

const concatenated = (operands: readonly Operand[], axis: number, planner: Planner): Operand => {
  const [first] = operands as readonly [Operand] // the op has at least one
  if (operands.length === 1) return first
  if (operands.length > operandsMax) {
    const joined = operandGroups(operands).map((group) => concatenated(group, axis, planner))
    return concatenated(joined, axis, planner)
  }
  const inner = elements(first.shape.slice(axis + 1))
  const sizes = operands.map(({ shape }) => (shape[axis] ?? 1) * inner)
  const shape = first.shape.map((size, i) => (i === axis ? sizes.reduce((a, b) => a + b, 0) / inner : size))
  const row = sizes.reduce((a, b) => a + b, 0)
  const p = new Parameters()
  const length = p.u(row)
  let start = 0
  const branches = sizes.map((size, i) => {
    const text = `if (column < ${p.u(start + size)}) { y = x${i}[row * ${p.u(size)} + column - ${p.u(start)}]; }`
    start += size
    return text
  })
  const body = `let row = quotient(i, ${length});
  let column = i - row * ${length};
  var y : ${elementType(first.dtype)};
  ${branches.join(' else ')}
  result[i] = y;`
  return {
    ...first,
    shape,
    slot: planner.shader('concatenate', operands, { dtype: first.dtype, shape }, { body, parameters: p }),
  }
}

/** Clamps indices out of range. */
const lowerGather: LowerFunction<'gather'> = ({ attrs: { axis }, inputs: [x, indices], types: [type], planner }) => {
  const size = x.type.shape[axis] ?? 1
  const inner = elements(x.type.shape.slice(axis + 1))
  const count = elements(indices.type.shape)
  const p = new Parameters()
  const shape = [elements(x.type.shape.slice(0, axis)), count, inner]
  const body = `${coordinates('i', shape, ['outer', 'at', 'column'], p)}
  let row = u32(clamp(x1[at], 0, ${p.i(size - 1)}));
  result[i] = x0[(outer * ${p.u(size)} + row) * ${p.u(inner)} + column];`
  const operands = [planner.dense(x), planner.dense(indices)]
  return [made(planner.shader('gather', operands, type, { body, parameters: p }), type)]
}

const lowerOneHot: LowerFunction<'oneHot'> = ({ attrs: { depth }, inputs: [indices], types: [type], planner }) => {
  const [zero, one] = [literal(0, type.dtype), literal(1, type.dtype)]
  const p = new Parameters()
  const size = p.u(depth)
  const body = `let row = quotient(i, ${size});
  result[i] = select(${zero}, ${one}, x0[row] == i32(i - row * ${size}));`
  return [made(planner.shader('oneHot', [planner.dense(indices)], type, { body, parameters: p }), type)]
}

export const movementLowering: { readonly [K in keyof MovementOps]: Lowering<K> } = {
  reshape: lowerReshape,
  broadcast: lowerBroadcast,
  transpose: lowerTranspose,
  slice: lowerSlice,
  pad: lowerPad,
  concatenate: lowerConcatenate,
  reverse: lowerReverse,
  gather: lowerGather,
  oneHot: lowerOneHot,
}
