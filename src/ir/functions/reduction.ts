/** Reductions: over axes, or over everything. Negative axes count from the end. */
import type { DType, Float } from '../types.ts'
import type { Value } from '../value.ts'
import { axisOf, emitterOf, integers, type Reduction } from './shared.ts'

// As many axes as given are gone from the rank: what the table of ranks says, and what the ops' type rules do.
const reduction = <Accepted extends DType>(
  op: string,
  make: (x: Value, axes: readonly number[]) => Value,
): Reduction<Accepted> =>
  ((x: Value, axes?: readonly number[]) => {
    emitterOf(op, x)
    const given = axes === undefined ? x.shape.map((_, axis) => axis) : integers(op, x, 'the axes', axes)
    // Ascending in the IR.
    return make(
      x,
      given.map((axis) => axisOf(op, x, axis)).sort((a, b) => a - b),
    )
  }) as Reduction<Accepted>

/** Sum over axes, or over everything. */
export const reduceSum: Reduction<DType> = reduction('reduceSum', (x, axes) => x.builder.reduceSum(x, axes))
/** Product over axes, or over everything. */
export const reduceProd: Reduction<DType> = reduction('reduceProd', (x, axes) =>
  x.builder.emit1('reduceProd', [x], { axes, keepDims: false }),
)
/** Largest element over axes, or of everything. */
export const reduceMax: Reduction<DType> = reduction('reduceMax', (x, axes) => x.builder.reduceMax(x, axes))
/** Smallest element over axes, or of everything. */
export const reduceMin: Reduction<DType> = reduction('reduceMin', (x, axes) =>
  x.builder.emit1('reduceMin', [x], { axes, keepDims: false }),
)
/** Mean over axes, or of everything. */
export const mean: Reduction<Float> = reduction('mean', (x, axes) => x.builder.mean(x, axes))
/** Biased variance over axes, or of everything. */
export const variance: Reduction<Float> = reduction('variance', (x, axes) => x.builder.variance(x, axes))
/** Index of the largest element along an axis (default: the last); of equal ones the lowest. */
export const argMax = (x: Value, axis = -1): Value<'int32'> =>
  emitterOf('argMax', x).emit1('argMax', [x], { axis: axisOf('argMax', x, axis) }) as Value<'int32'>
/** The k largest along the last axis, in descending order, and their indices. */
export const topK = <D extends DType, R extends number>(
  x: Value<D, R>,
  k: number,
): { readonly values: Value<D, R>; readonly indices: Value<'int32', R> } => {
  const [values, indices] = emitterOf('topK', x).emit('topK', [x], { k })
  return { values: values as Value<D, R>, indices: indices as Value<'int32', R> }
}
