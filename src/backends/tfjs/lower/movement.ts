/**
 * Movement. Reshapes and broadcasts are views; all other ops are one strided loop over memory, which keeps every bit of every dtype.
 * tfjs's own kernels are used if JavaScript cannot access the memory, and for Transpose on wasm, which is as fast.
 */
import type { MovementOps } from '../../../ir/signatures.ts'
import { stridesOf } from '../../../ir/ops/shape.ts'
import { elements, sameShape, type Type } from '../../../ir/types.ts'
import type { HostArray } from '../../backend.ts'
import { copyStrided } from '../../common/strided-copy.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { isDense, type View } from '../view.ts'
import { as, made, stored } from './shared.ts'

/** Returns a view that repeats the operand without a copy: operand axis i is result axis axes[i]. */
export const lowerBroadcast: LowerFunction<'broadcast'> = ({ attrs: { axes }, inputs: [x], types: [type] }) => {
  const shape = type.shape.map(() => 1)
  axes.forEach((axis, i) => {
    shape[axis] = x.shape[i] ?? 1
  })
  return [{ slot: x.slot, shape, type, splat: x.splat }]
}

export const lowerReshape: LowerFunction<'reshape'> = ({ inputs: [x], types: [type], planner }) => {
  if (isDense(x)) return [{ slot: x.slot, shape: type.shape, type, splat: x.splat }]
  if (x.shape.every((size) => size === 1))
    return [{ slot: x.slot, shape: type.shape.map(() => 1), type, splat: x.splat }]
  return [made(planner.dense(x).slot, type)]
}

export const lowerTranspose: LowerFunction<'transpose'> = ({
  attrs: { permutation },
  inputs: [x],
  types: [type],
  planner,
}) => {
  const shape = permutation.map((axis) => x.shape[axis] ?? 1)
  return [{ slot: transposed(stored(x), permutation, planner).slot, shape, type, splat: x.splat }]
}

/** The operand with permuted axes. Moves nothing if only axes of size 1 change their places. */
export const transposed = (x: Operand, permutation: readonly number[], planner: Planner): Operand => {
  const shape = permutation.map((axis) => x.shape[axis] ?? 1)
  const moving = permutation.filter((axis) => x.shape[axis] !== 1)
  if (moving.every((axis, i) => i === 0 || axis > (moving[i - 1] ?? 0))) return { ...x, shape }
  const type: Type = { dtype: x.dtype, shape }
  if (planner.device.kind === 'wasm' || !planner.device.movesElements)
    return { ...x, shape, slot: planner.kernel('Transpose', { x }, { perm: [...permutation] }, type) }
  const strides = stridesOf(x.shape)
  return {
    ...x,
    shape,
    slot: planner.moved(
      x,
      type,
      0,
      permutation.map((axis) => strides[axis] ?? 0),
      'Transpose',
    ),
  }
}

const lowerSlice: LowerFunction<'slice'> = ({
  attrs: { starts, limits, strides },
  inputs: [x],
  types: [type],
  planner,
}) => {
  const operand = planner.dense(x)
  if (sameShape(operand.shape, type.shape)) return [made(operand.slot, type)]
  if (planner.device.host === null) {
    const kernel = strides.every((s) => s === 1)
      ? planner.kernel('Slice', { x: operand }, { begin: [...starts], size: [...type.shape] }, type)
      : planner.kernel(
          'StridedSlice',
          { x: operand },
          {
            begin: [...starts],
            end: [...limits],
            strides: [...strides],
            beginMask: 0,
            endMask: 0,
            ellipsisMask: 0,
            newAxisMask: 0,
            shrinkAxisMask: 0,
          },
          type,
        )
    return [made(kernel, type)]
  }
  const dense = stridesOf(x.type.shape)
  const at = starts.reduce((sum, start, axis) => sum + start * (dense[axis] ?? 0), 0)
  return [
    made(
      planner.moved(
        operand,
        type,
        at,
        strides.map((s, axis) => s * (dense[axis] ?? 0)),
        'Slice',
      ),
      type,
    ),
  ]
}

export const lowerReverse: LowerFunction<'reverse'> = ({ attrs: { axes }, inputs: [x], types: [type], planner }) => [
  made(reversed(planner.dense(x), axes, planner).slot, type),
]

export const reversed = (x: Operand, axes: readonly number[], planner: Planner): Operand => {
  const real = axes.filter((axis) => x.shape[axis] !== 1)
  if (real.length === 0) return x
  if (!planner.device.movesElements) return { ...x, slot: planner.kernel('Reverse', { x }, { dims: real }, x) }
  const strides = stridesOf(x.shape)
  const at = real.reduce((sum, axis) => sum + ((x.shape[axis] ?? 1) - 1) * (strides[axis] ?? 0), 0)
  return {
    ...x,
    slot: planner.moved(
      x,
      x,
      at,
      strides.map((s, axis) => (real.includes(axis) ? -s : s)),
      'Reverse',
    ),
  }
}

const lowerPad: LowerFunction<'pad'> = ({
  attrs: { low, high, interior, value },
  inputs: [x],
  types: [type],
  planner,
}) => {
  const operand = planner.dense(x)
  if (planner.device.host === null && interior.every((gap) => gap === 0)) {
    const paddings = low.map((before, axis) => [before, high[axis] ?? 0])
    return [made(planner.kernel('PadV2', { x: operand }, { paddings, constantValue: value }, type), type)]
  }
  return [made(padded(operand, low, interior, value, type, planner), type)]
}

/** Pads the operand with a number: `low` elements before it, `interior` between neighbours. A negative `low` crops, and so does a smaller result. */
export const padded = (
  x: Operand,
  low: readonly number[],
  interior: readonly number[],
  value: number,
  type: Type,
  planner: Planner,
): number => {
  const from = stridesOf(x.shape)
  const to = stridesOf(type.shape)
  // On each axis the elements first..first + count - 1 are inside of the result.
  const gaps = interior.map((gap) => gap + 1)
  const first = low.map((before, axis) => Math.max(0, Math.ceil(-before / (gaps[axis] ?? 1))))
  const count = type.shape.map((size, axis) => {
    const room = Math.floor((size - 1 - (low[axis] ?? 0)) / (gaps[axis] ?? 1)) + 1
    return Math.max(0, Math.min(x.shape[axis] ?? 1, room) - (first[axis] ?? 0))
  })
  const fromWalk = { at: first.reduce((sum, i, axis) => sum + i * (from[axis] ?? 0), 0), strides: from }
  const toAt = first.reduce((sum, i, axis) => sum + ((low[axis] ?? 0) + i * (gaps[axis] ?? 1)) * (to[axis] ?? 0), 0)
  const toWalk = { at: toAt, strides: to.map((s, axis) => s * (gaps[axis] ?? 1)) }
  return planner.host1('PadV2', [x], type, ([source], [target]) => {
    target?.fill(value)
    if (count.every((n) => n > 0)) copyStrided(source as HostArray, fromWalk, target as HostArray, toWalk, count)
  })
}

const lowerConcatenate: LowerFunction<'concatenate'> = ({ attrs: { axis }, inputs, types, planner }) => {
  const [type] = types as readonly [Type]
  const operands = inputs.map((view) => planner.dense(view))
  return [made(concatenated(operands, axis, type, planner), type)]
}

export const concatenated = (operands: readonly Operand[], axis: number, type: Type, planner: Planner): number => {
  const [only] = operands
  if (only !== undefined && operands.length === 1) return only.slot
  if (planner.device.host === null) return planner.kernel('Concat', operands, { axis }, type)
  const to = stridesOf(type.shape)
  let at = 0
  const walks = operands.map(({ shape }) => {
    const walk = { from: { at: 0, strides: stridesOf(shape) }, to: { at, strides: to }, shape }
    at += (shape[axis] ?? 1) * (to[axis] ?? 1)
    return walk
  })
  return planner.host1('Concat', operands, type, (arrays, [target]) => {
    walks.forEach((walk, i) => copyStrided(arrays[i] as HostArray, walk.from, target as HostArray, walk.to, walk.shape))
  })
}

/** Clamps indices out of range, which tfjs's kernels do not do. */
const lowerGather: LowerFunction<'gather'> = ({ attrs: { axis }, inputs: [x, indices], types: [type], planner }) => {
  const size = x.type.shape[axis] ?? 1
  const [outer, inner] = [elements(x.type.shape.slice(0, axis)), elements(x.type.shape.slice(axis + 1))]
  const slot = planner.host1(
    'GatherV2',
    [planner.dense(x), planner.dense(indices)],
    type,
    ([source, rows], [target]) => {
      let at = 0
      for (let o = 0; o < outer; o++) {
        for (let i = 0; i < (rows as HostArray).length; i++, at += inner) {
          const row = Math.min(Math.max((rows as HostArray)[i] as number, 0), size - 1)
          const from = (o * size + row) * inner
          target?.set((source as HostArray).subarray(from, from + inner), at)
        }
      }
    },
  )
  return [made(slot, type)]
}

const lowerOneHot: LowerFunction<'oneHot'> = ({ attrs: { depth }, inputs: [indices], types: [type], planner }) => {
  const slot = planner.host1('OneHot', [planner.dense(indices)], type, ([rows], [target]) => {
    target?.fill(0)
    for (let i = 0; i < (rows as HostArray).length; i++) {
      const index = (rows as HostArray)[i] as number
      if (index >= 0 && index < depth) (target as HostArray)[i * depth + index] = 1
    }
  })
  return [made(slot, type)]
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

/** The memory of a dense view in another shape, for lowerings of other groups. */
export const denseAs = (view: View, shape: readonly number[], planner: Planner): Operand =>
  as(planner.dense(view), shape)
