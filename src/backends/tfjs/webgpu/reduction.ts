/**
 * Reductions over the middle of [outer, reduced, inner] in several stages. An invocation folds at most a few hundred elements sequentially, so that the
 * whole device has work and rounding errors stay small. There are no atomics, so the order is always the same.
 */
import type { ReductionOps } from '../../../ir/signatures.ts'
import { elements, type DType, type Type } from '../../../ir/types.ts'
import { groupsOf } from '../lower/reduction.ts'
import { as, made } from '../lower/shared.ts'
import type { Group } from '../lower/sums.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import type { View } from '../view.ts'
import { coordinates } from './index-math.ts'
import { Parameters } from './parameters.ts'
import { elementType } from '../../webgpu/wgsl/library.ts'

/** The function that combines two numbers, by dtype. The fold starts with the first element. */
type Fold = (dtype: DType) => string
const folds = {
  sum: () => 'acc + e',
  product: () => 'acc * e',
  largest: (dtype) => (elementType(dtype) === 'i32' ? 'max(acc, e)' : 'largest(acc, e)'),
  smallest: (dtype) => (elementType(dtype) === 'i32' ? 'min(acc, e)' : 'smallest(acc, e)'),
} satisfies { readonly [name: string]: Fold }

export interface Reduction {
  readonly name: string
  readonly fold: keyof typeof folds
  readonly group: Group
  /** Arrays of the group's shape. An array repeats along an axis of size 1. */
  readonly operands: readonly Operand[]
  /** The expression of the operands' elements a, b, c … to fold; default a. */
  readonly expression?: string | undefined
  /** Divides the result of the fold. */
  readonly divisor?: number | undefined
}

/** The number of invocations that fill a device. */
const invocationsWanted = 1 << 14
/** Limits on the elements per invocation: more would increase rounding errors, fewer would waste a stage. */
const [lengthMin, lengthMax] = [16, 256]

const slicesOf = ({ outer, reduced, inner }: Group): number => {
  const wanted = Math.ceil(invocationsWanted / (outer * inner))
  const most = Math.ceil(reduced / lengthMin)
  return Math.max(Math.min(wanted, most), Math.ceil(reduced / lengthMax))
}

const operandNames = ['a', 'b', 'c', 'd', 'e'] as const

/** Reduces to [outer, inner]. */
export const reduced = (reduction: Reduction, dtype: DType, planner: Planner): Operand => {
  const { name, fold, group, operands, expression = 'a', divisor } = reduction
  const { outer, inner } = group
  const p = new Parameters()
  const slices = slicesOf(group)
  const isLast = slices === 1
  const loads = operands
    .map(({ shape }, at) => `let ${operandNames[at]} = x${at}[${indexIn(shape, group, p)}];`)
    .join(' ')
  const step = p.u(slices)
  const body = `${coordinates('i', [outer, slices, inner], ['o', 's', 'n'], p)}
  var r = s;
  var acc = folded(o, r, n);
  for (r = r + ${step}; r < ${p.u(group.reduced)}; r = r + ${step}) { let e = folded(o, r, n); acc = ${folds[fold](dtype)}; }
  result[i] = acc${isLast && divisor !== undefined ? ` / ${p.f(divisor)}` : ''};`
  const prelude = `fn folded(o : u32, r : u32, n : u32) -> ${elementType(dtype)} { ${loads} return ${expression}; }`
  const shape = [outer, slices, inner]
  const slot = planner.shader(name, operands, { dtype, shape }, { body, prelude, parameters: p })
  if (isLast) return { slot, shape: [outer, inner], dtype }
  const rest: Reduction = {
    name,
    fold,
    group: { outer, reduced: slices, inner },
    operands: [{ slot, shape, dtype }],
    divisor,
  }
  return reduced(rest, dtype, planner)
}

const indexIn = ([outer = 1, length = 1, inner = 1]: readonly number[], group: Group, p: Parameters): string => {
  const terms = [
    ...(outer === 1 && group.outer !== 1 ? [] : [`o * ${p.u(length * inner)}`]),
    ...(length === 1 && group.reduced !== 1 ? [] : [`r * ${p.u(inner)}`]),
    ...(inner === 1 && group.inner !== 1 ? [] : ['n']),
  ]
  return terms.join(' + ') || '0u'
}

/** A reduction along any axes, group by group. */
const along = (x: Operand, axes: readonly number[], fold: keyof typeof folds, type: Type, planner: Planner): View => {
  const result = groupsOf(x.shape, axes).reduce(
    (current, group) =>
      reduced(
        {
          name: `reduce ${fold}`,
          fold,
          group,
          operands: [as(current, [group.outer, group.reduced, group.inner])],
        },
        x.dtype,
        planner,
      ),
    x,
  )
  return made(result.slot, type)
}

interface ReduceArgs {
  readonly attrs: { readonly axes: readonly number[] }
  readonly inputs: readonly [View]
  readonly types: readonly [Type]
  readonly planner: Planner
}
const reduceBy =
  (fold: keyof typeof folds) =>
  ({ attrs: { axes }, inputs: [x], types: [type], planner }: ReduceArgs): readonly [View] => [
    along(planner.dense(x), axes, fold, type, planner),
  ]

/** Is a larger than b? NaN counts as larger than all numbers. */
const isLarger = (a: string, b: string, dtype: DType): string =>
  elementType(dtype) === 'i32' ? `${a} > ${b}` : `((isnan(${a}) && !isnan(${b})) || (${a} > ${b} && !isnan(${b})))`

const lowerArgMax: LowerFunction<'argMax'> = ({ attrs: { axis }, inputs: [x], types: [type], planner }) => {
  const { shape, dtype } = x.type
  const [size, inner] = [shape[axis] ?? 1, elements(shape.slice(axis + 1))]
  const p = new Parameters()
  const [step, length] = [p.u(inner), p.u(size)]
  const body = `let row = quotient(i, ${step});
  let at = row * ${length} * ${step} + i - row * ${step};
  var best = x0[at];
  var place = 0;
  for (var k = 1u; k < ${length}; k = k + 1u) {
    let e = x0[at + k * ${step}];
    if (${isLarger('e', 'best', dtype)}) { best = e; place = i32(k); }
  }
  result[i] = place;`
  return [made(planner.shader('argMax', [planner.dense(x)], type, { body, parameters: p }), type)]
}

/** An element's place is the number of those that come before it: larger ones, and equal ones with a lower index. */
const lowerTopK: LowerFunction<'topK'> = ({ attrs: { k }, inputs: [view], types, planner }) => {
  const x = planner.dense(view)
  const size = x.shape.at(-1) ?? 1
  const part = (kept: string, type: Type): View => {
    const p = new Parameters()
    const length = p.u(size)
    const body = `let row = quotient(i, ${length});
  let first = row * ${length};
  let own = x0[i];
  var place = 0u;
  for (var j = first; j < first + ${length}; j = j + 1u) {
    let e = x0[j];
    if (${isLarger('e', 'own', x.dtype)} || (j < i && !(${isLarger('own', 'e', x.dtype)}))) { place = place + 1u; }
  }
  if (place < ${p.u(k)}) { result[row * ${p.u(k)} + place] = ${kept}; }`
    return made(planner.shader('topK', [x], type, { body, parameters: p, invocations: elements(x.shape) }), type)
  }
  return [part('own', types[0]), part('i32(i - first)', types[1])]
}

export const reductionLowering: { readonly [K in keyof ReductionOps]: Lowering<K> } = {
  reduceSum: reduceBy('sum'),
  reduceMax: reduceBy('largest'),
  reduceMin: reduceBy('smallest'),
  reduceProd: reduceBy('product'),
  reduceAll: reduceBy('smallest'),
  reduceAny: reduceBy('largest'),
  argMax: lowerArgMax,
  topK: lowerTopK,
}
