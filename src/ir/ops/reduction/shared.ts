/** Shared parts of reductions: attributes, type rules, the loop over slices. */
import { flag, floatOrNull, naturals, withDefault, type AttrSpecs } from '../../attrs.ts'
import type { RefTensor } from '../../op-def.ts'
import type { ReduceAttrs, WideReduceAttrs } from '../../signatures.ts'
import { elements, isFloat, showType, type DType, type Type } from '../../types.ts'
import type { OpEmitter } from '../../emitter.ts'
import type { Value } from '../../value.ts'
import { checkAxes, forEachIndex, reducedShape, stridesOf } from '../shape.ts'

export const reduceAttrSpecs: AttrSpecs<ReduceAttrs> = { axes: naturals, keepDims: withDefault(flag, false) }
export const wideReduceAttrSpecs: AttrSpecs<WideReduceAttrs> = {
  ...reduceAttrSpecs,
  resultDtype: withDefault(floatOrNull, null),
}

/** C1: axes. C2: dtype. */
export const reduceTypes = (
  x: Type,
  attrs: ReduceAttrs,
  accepts: (dtype: DType) => boolean,
  what: string,
): readonly [Type] | string =>
  checkAxes('C1', attrs.axes, x.shape.length) ??
  (accepts(x.dtype)
    ? [{ dtype: x.dtype, shape: reducedShape(x.shape, attrs.axes, attrs.keepDims) }]
    : `C2: ${what} operand is needed, got ${showType(x)}`)

/** The type rule of reductions whose result may be wider than the operand (C3). */
export const wideReduceTypes = (
  x: Type,
  attrs: WideReduceAttrs,
  accepts: (dtype: DType) => boolean,
  what: string,
): readonly [Type] | string => {
  const types = reduceTypes(x, attrs, accepts, what)
  if (typeof types === 'string' || attrs.resultDtype === null || attrs.resultDtype === x.dtype) return types
  return attrs.resultDtype === 'float32' && isFloat(x.dtype)
    ? [{ ...types[0], dtype: 'float32' }]
    : `C3: the result cannot be ${attrs.resultDtype} where the operand is ${x.dtype}`
}

/** Visits every element together with the flat index of its result. */
export const reduceLoop = (
  shape: readonly number[],
  axes: readonly number[],
  visit: (from: number, to: number) => void,
): void => {
  const strides = stridesOf(reducedShape(shape, axes, true)).map((stride, axis) => (axes.includes(axis) ? 0 : stride))
  forEachIndex(shape, (index, flat) => {
    let to = 0
    for (let axis = 0; axis < index.length; axis++) to += (index[axis] as number) * (strides[axis] as number)
    visit(flat, to)
  })
}

/** Folds every slice, beginning with `start`. */
export const fold = (
  x: RefTensor,
  axes: readonly number[],
  start: number,
  step: (sum: number, x: number) => number,
): Float64Array => {
  const out = new Float64Array(elements(reducedShape(x.shape, axes, false))).fill(start)
  reduceLoop(x.shape, axes, (from, to) => {
    out[to] = step(out[to] as number, x.data[from] as number)
  })
  return out
}

/** Broadcasts a reduced value back to the operand's shape, for gradients. */
export const spread = (b: OpEmitter, y: Value, x: Value, axes: readonly number[]): Value =>
  b.broadcast(
    b.reshape(y, reducedShape(x.shape, axes, true)),
    x.shape,
    x.shape.map((_, axis) => axis),
  )

/** The number of elements that one result combines. */
export const reducedCount = (shape: readonly number[], axes: readonly number[]): number =>
  axes.reduce((product, axis) => product * (shape[axis] as number), 1)

export const reduceExample = (op: string, type = 'float32', attrs = ''): string =>
  `graph example {\n  %0 = input() {name="x"} : ${type}[2,3]\n  %1 = ${op}(%0) {axes=[1]${attrs}} : ${type}[2]\n  return y = %1\n}`
