/**
 * Elementwise ops. Operands keep their repeated axes if the kernels can broadcast them, and so do results:
 * a result of small operands stays small.
 *
 * Exactness: int32 uses the reference semantics (tfjs is exact up to 2^24 only). Float kernels that violate a constraint of the op
 * (NaN of relu, relu6, sign, maximum and minimum, sin and cos of huge angles) are replaced below, each with its reason.
 */
import type { ElementwiseOps, OpAttrs } from '../../../ir/signatures.ts'
import { isFloat, type Node, type Type } from '../../../ir/types.ts'
import type { HostArray } from '../../backend.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { collapsedShapes, jointShape, type View } from '../view.ts'
import { clamped } from './clamps.ts'
import { withLongRows } from './long-rows.ts'
import { as, lowerByReference, stored } from './shared.ts'

/** An op with one or two operands. */
interface Args<In extends readonly View[]> {
  readonly node: Node
  readonly inputs: In
  readonly types: readonly [Type]
  readonly planner: Planner
}
type Unary = (args: Args<readonly [View]>) => readonly [View]
type Binary = (args: Args<readonly [View, View]>) => readonly [View]

/** A kernel with one operand. It runs over the elements in memory. */
const unary =
  (kernel: string): Unary =>
  ({ node, inputs: [x], types: [type], planner }) => {
    if (x.type.dtype === 'int32' || planner.device.kernel(kernel) === null) return byReference(node, [x], planner)
    return [unaryView(kernel, x, type, planner)]
  }

const unaryView = (kernel: string, x: View, type: Type, planner: Planner): View => {
  const flat = as(stored(x), [sizeOfView(x)])
  return {
    slot: planner.kernel(kernel, { x: flat }, {}, { dtype: type.dtype, shape: x.shape }),
    shape: x.shape,
    type,
    splat: null,
  }
}

const sizeOfView = (view: View): number => view.shape.reduce((a, b) => a * b, 1)

/** A loop over one operand, if no kernel satisfies the op's constraints; the kernel if JavaScript cannot access the memory. */
const unaryLoop =
  (loop: (x: number) => number, kernel: string): Unary =>
  (args) => {
    const {
      node,
      inputs: [x],
      types: [type],
      planner,
    } = args
    if (planner.device.host === null) return unary(kernel)(args)
    if (x.type.dtype === 'int32') return byReference(node, [x], planner)
    const slot = planner.host1(node.op, [stored(x)], { dtype: type.dtype, shape: x.shape }, ([from], [to]) =>
      mapInto(from as HostArray, to as HostArray, loop),
    )
    return [{ slot, shape: x.shape, type, splat: null }]
  }

const mapInto = (from: HostArray, to: HostArray, f: (x: number) => number): void => {
  for (let i = 0; i < to.length; i++) to[i] = f(from[i] as number)
}

/** Reference semantics on the elements in memory, so that small operands stay small. Elementwise ops do not depend on shapes. */
const byReference = (node: Node, inputs: readonly View[], planner: Planner): readonly [View] => {
  const shape = jointShape(inputs)
  const aligned = inputs.map(
    (view): View => ({ ...planner.expanded(view, shape), type: { dtype: view.type.dtype, shape } }),
  )
  const small = { ...node, types: node.types.map((type) => ({ ...type, shape })) } as Node // the same op on the joint shape
  const [result] = lowerByReference(small, aligned, planner)
  return [{ ...(result as View), type: node.types[0] as Type }]
}

/** A kernel with two operands that broadcasts. */
const binary =
  (kernel: string): Binary =>
  ({ node, inputs: [a, b], types: [type], planner }) => {
    if (a.type.dtype === 'int32' || planner.device.kernel(kernel) === null) return byReference(node, [a, b], planner)
    return [binaryView(kernel, a, b, type, planner)]
  }

const binaryView = (kernel: string, a: View, b: View, type: Type, planner: Planner): View => {
  const shape = jointShape([a, b])
  const [x, y] = suitable(a, b, shape, planner)
  const {
    operands: [xShape = [], yShape = []],
  } = collapsedShapes([x, y])
  const collapsed = [as(stored(x), xShape), as(stored(y), yShape)] as const
  const [left, right] = planner.device.kind === 'wasm' ? withLongRows(collapsed, planner) : collapsed
  const slot = planner.kernel(kernel, { a: left, b: right }, {}, { dtype: type.dtype, shape })
  return { slot, shape, type, splat: null }
}

/** In tfjs-cpu, broadcasting (except of suffixes) is a hundred times slower than adding. There the small operand is repeated first. */
const suitable = (a: View, b: View, shape: readonly number[], planner: Planner): readonly [View, View] => {
  if (planner.device.kind !== 'cpu') return [a, b]
  const { result, operands } = collapsedShapes([a, b])
  const isSlow = operands.some((operand) =>
    operand.some((size, i) => size !== result[result.length - operand.length + i]),
  )
  return isSlow ? [planner.expanded(a, shape), planner.expanded(b, shape)] : [a, b]
}

/** tfjs-cpu's Pow is JavaScript's, where 1 to NaN and -1 to infinity are NaN; IEEE 754 says 1. */
const lowerPow: Binary = (args) =>
  args.planner.device.kind === 'cpu' ? byReference(args.node, args.inputs, args.planner) : binary('Pow')(args)

const comparisons: { readonly [D in OpAttrs<'compare'>['direction']]: string } = {
  eq: 'Equal',
  ne: 'NotEqual',
  lt: 'Less',
  le: 'LessEqual',
  gt: 'Greater',
  ge: 'GreaterEqual',
}

/** out = f(x, y). With `step` 0 the same y is used for all x. */
type ZipLoop = (x: HostArray, y: HostArray, step: 0 | 1, out: HostArray) => void

const maximumLoop: ZipLoop = (x, y, step, out) => {
  for (let i = 0; i < out.length; i++) out[i] = Math.max(x[i] as number, y[i * step] as number)
}
const minimumLoop: ZipLoop = (x, y, step, out) => {
  for (let i = 0; i < out.length; i++) out[i] = Math.min(x[i] as number, y[i * step] as number)
}

/** tfjs-wasm's Maximum(a, b) is `a < b ? b : a`, which loses NaN in b, and slower than a loop. The same for Minimum. tfjs-cpu uses Math.max. */
const extremum =
  (kernel: string, loop: ZipLoop): Binary =>
  (args) => {
    const {
      node,
      inputs: [a, b],
      types: [type],
      planner,
    } = args
    if (planner.device.kind !== 'wasm' || a.type.dtype === 'int32') return binary(kernel)(args)
    const shape = jointShape([a, b])
    const [x, y] = sizeOfView(a) === 1 ? [b, a] : [a, b] // the order does not matter
    const step = sizeOfView(y) === 1 ? 0 : 1
    const operands = [stored(planner.expanded(x, shape)), stored(step === 0 ? y : planner.expanded(y, shape))]
    const slot = planner.host1(node.op, operands, { dtype: type.dtype, shape }, ([left, right], [out]) =>
      loop(left as HostArray, right as HostArray, step, out as HostArray),
    )
    return [{ slot, shape, type, splat: null }]
  }

const clamp =
  (kernel: 'Relu' | 'Relu6'): Unary =>
  (args) => {
    const {
      inputs: [x],
      types: [type],
      planner,
    } = args
    if (planner.device.kind !== 'wasm') return unary(kernel)(args)
    const flat = as(stored(x), [sizeOfView(x)])
    return [{ slot: clamped(kernel, flat, planner), shape: x.shape, type, splat: null }]
  }

const lowerSelect: LowerFunction<'select'> = ({ inputs: [condition, a, b], types: [type], planner }) => {
  if (condition.type.shape.length === 0 || condition.shape.every((size) => size === 1)) {
    const shape = jointShape([a, b])
    const [yes, no] = [planner.expanded(a, shape), planner.expanded(b, shape)]
    return [
      {
        slot: planner.choice(condition.slot, yes.slot, no.slot, { dtype: type.dtype, shape }),
        shape,
        type,
        splat: null,
      },
    ]
  }
  // The kernel needs equal shapes and does not check them. With rank 1 it works element by element.
  const shape = jointShape([condition, a, b])
  const flat = (view: View): Operand => as(stored(planner.expanded(view, shape)), [shape.reduce((p, q) => p * q, 1)])
  const slot = planner.kernel(
    'Select',
    { condition: flat(condition), t: flat(a), e: flat(b) },
    {},
    { dtype: type.dtype, shape },
  )
  return [{ slot, shape, type, splat: null }]
}

const lowerCast: LowerFunction<'cast'> = ({ node, inputs: [x], types: [type], planner }) => {
  const from = x.type.dtype
  if (isFloat(from) && isFloat(type.dtype)) {
    if (type.dtype === 'float32' || planner.device.host === null) return [{ ...x, type }] // held as float32 already
    const slot = planner.host1('copy', [stored(x)], { dtype: type.dtype, shape: x.shape }, copyLoop)
    return [{ slot, shape: x.shape, type, splat: x.splat }] // rounded afterwards, as every half result is
  }
  if (from === type.dtype) return [{ ...x, type }]
  if (planner.device.host === null)
    return [
      {
        slot: planner.kernel('Cast', { x: stored(x) }, { dtype: type.dtype }, { dtype: type.dtype, shape: x.shape }),
        shape: x.shape,
        type,
        splat: null,
      },
    ]
  if (from === 'bool' || (from === 'int32' && isFloat(type.dtype))) {
    return [
      {
        slot: planner.host1('Cast', [stored(x)], { dtype: type.dtype, shape: x.shape }, copyLoop),
        shape: x.shape,
        type,
        splat: null,
      },
    ]
  }
  return byReference(node, [x], planner)
}

const copyLoop = ([from]: readonly HostArray[], [to]: readonly HostArray[]): void => to?.set(from ?? [])

const lowerCompare: LowerFunction<'compare'> = ({
  node,
  attrs: { direction },
  inputs: [a, b],
  types: [type],
  planner,
}) =>
  a.type.dtype === 'int32' || a.type.dtype === 'bool'
    ? byReference(node, [a, b], planner)
    : [binaryView(comparisons[direction], a, b, type, planner)]

export const elementwiseLowering: { readonly [K in keyof ElementwiseOps]: Lowering<K> } = {
  neg: unary('Neg'),
  abs: unary('Abs'),
  sign: unaryLoop(Math.sign, 'Sign'), // tfjs: sign(NaN) is 0
  floor: unary('Floor'),
  ceil: unary('Ceil'),
  round: unary('Round'),
  exp: unary('Exp'),
  expm1: unary('Expm1'),
  log: unary('Log'),
  log1p: unary('Log1p'),
  sqrt: unary('Sqrt'),
  rsqrt: unary('Rsqrt'),
  reciprocal: unary('Reciprocal'),
  // tfjs-wasm's kernels are wrong beyond 1e10 (beyond 1e17 by their full range), and slower than a loop.
  sin: unaryLoop(Math.sin, 'Sin'),
  cos: unaryLoop(Math.cos, 'Cos'),
  tanh: unary('Tanh'),
  erf: unary('Erf'),
  sigmoid: unary('Sigmoid'),
  softplus: unary('Softplus'),
  relu: clamp('Relu'),
  relu6: clamp('Relu6'),
  elu: unary('Elu'),
  selu: unary('Selu'),
  not: unary('LogicalNot'),
  isFinite: unary('IsFinite'),
  add: binary('Add'),
  sub: binary('Sub'),
  mul: binary('Multiply'),
  div: binary('RealDiv'),
  pow: lowerPow,
  maximum: extremum('Maximum', maximumLoop),
  minimum: extremum('Minimum', minimumLoop),
  remainder: 'host', // tfjs's Mod has the divisor's sign
  and: binary('LogicalAnd'),
  or: binary('LogicalOr'),
  compare: lowerCompare,
  select: lowerSelect,
  cast: lowerCast,
}
