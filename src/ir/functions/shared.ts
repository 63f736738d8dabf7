/** Shared parts of the functions on values: their types, and errors with place and shapes. */
import { Builder, isValue } from '../build.ts'
import { EffuseError, showGiven } from '../diagnostics.ts'
import type { OpEmitter } from '../emitter.ts'
import { broadcastShape } from '../ops/shape.ts'
import { callSiteOf, captureSite } from '../call-site.ts'
import type { DType, Float } from '../types.ts'
import { sameShape, showType } from '../types.ts'
import type { Value } from '../value.ts'

export type Unary = <D extends Float, R extends number>(x: Value<D, R>) => Value<D, R>
/** `b` broadcasts to `a`; a number, on either side, takes the other's dtype. */
export interface Binary {
  <D extends DType, R extends number>(a: Value<D, R>, b: Value<NoInfer<D>> | number): Value<D, R>
  <D extends DType, R extends number>(a: number, b: Value<D, R>): Value<D, R>
}
export interface Comparison {
  <D extends DType, R extends number>(a: Value<D, R>, b: Value<NoInfer<D>> | number): Value<'bool', R>
  <R extends number>(a: number, b: Value<DType, R>): Value<'bool', R>
}
export type Logical = <R extends number>(a: Value<'bool', R>, b: Value<'bool'>) => Value<'bool', R>
/** Ranks after a reduction, as a table. */
type Less = [[0], [1, 0], [2, 1, 0], [3, 2, 1, 0], [4, 3, 2, 1, 0]]
type Reduced<R extends number, A extends readonly number[]> = R extends keyof Less
  ? A['length'] extends keyof Less[R]
    ? Less[R][A['length']]
    : number
  : number
/** Reduces the given axes (negative ones count from the end), or all. */
export interface Reduction<Accepted extends DType> {
  <D extends Accepted, R extends number, const A extends readonly number[]>(
    x: Value<D, R>,
    axes: A,
  ): Value<D, Reduced<R, A>>
  <D extends Accepted>(x: Value<D>): Value<D, 0>
}

/** The emitter of an operand. @throws EffuseError EF101 if a JavaScript caller passes something else than a tensor */
export const emitterOf = (op: string, x: unknown): OpEmitter => {
  if (isValue(x)) return x.builder
  throw new EffuseError({
    code: 'EF101',
    message: `${op}: a tensor of the graph is needed, got ${x === null ? 'null' : typeof x}`,
    hint: 'ops take the values that graph() passes to its body and that other ops return',
  })
}

/** The error for operands that do not fit, with model path and call site. */
export const misfit = (x: Value, message: string, hint?: string): EffuseError => {
  const path = x.builder instanceof Builder ? x.builder.path : ''
  const site = callSiteOf(captureSite())
  return new EffuseError({
    code: 'EF101',
    path,
    hint,
    message: [path === '' ? message : `${path}: ${message}`, ...(site === null ? [] : [`built at ${site}`])].join(
      '\n  ',
    ),
  })
}

/** Checks that `b` broadcasts to `a`, as the types say: otherwise the result would not have a's rank. */
export const checkBroadcast = (op: string, a: Value, b: Value | number): void => {
  emitterOf(op, a)
  if (typeof b === 'number') {
    if (a.dtype === 'int32' && (b | 0) !== b)
      throw misfit(
        a,
        `${op}: the number ${b} is not an int32, which ${showType(a)} needs`,
        'cast the tensor to float32 first',
      )
    return
  }
  emitterOf(op, b)
  const shape = broadcastShape(a.shape, b.shape)
  if (shape === null)
    throw misfit(
      a,
      `${op}: shapes do not broadcast: ${showType(a)} and ${showType(b)}`,
      'sizes must be equal or 1, counted from the last axis; reshape one of them',
    )
  if (!sameShape(shape, a.shape))
    throw misfit(
      a,
      `${op}: the second operand must broadcast to the first: ${showType(a)} and ${showType(b)} would give [${shape.join(',')}]`,
      'swap the operands, or repeat the first one with broadcastTo',
    )
}

/** Converts an axis, which if negative counts from the end, to one that counts from the start. */
export const axisOf = (op: string, x: Value, axis: number): number => {
  emitterOf(op, x)
  const rank = x.shape.length
  if (Number.isInteger(axis) && axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis
  throw misfit(
    x,
    `${op}: ${showType(x)} has no axis ${axis}`,
    rank === 0 ? 'a scalar has no axes' : `axes are 0 to ${rank - 1}, or -${rank} to -1 counted from the end`,
  )
}

/** Checks a list of integers. A JavaScript caller may pass a single number. */
export const integers = (op: string, x: Value, what: string, value: unknown): readonly number[] => {
  emitterOf(op, x)
  if (Array.isArray(value) && value.every((v) => Number.isSafeInteger(v))) return value
  throw misfit(
    x,
    `${op}: ${what} must be a list of integers, got ${showGiven(value)}`,
    typeof value === 'number' ? `[${value}]` : undefined,
  )
}
