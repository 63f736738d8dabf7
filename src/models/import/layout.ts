/** Converts PyTorch's layouts to effuse's: [O,I,KH,KW] -> [KH,KW,I,O], depthwise [C,1,KH,KW] -> [KH,KW,C,1], dense [out,in] -> [in,out]. */
import { forEachIndex, stridesOf } from '../../ir/ops/shape.ts'

/** effuse's axis i is PyTorch's axis order[i]; null if the layout is the same. */
export const layoutOrder = (name: string, rank: number): readonly number[] | null => {
  if (!name.endsWith('/kernel')) return null
  if (rank === 2) return [1, 0]
  if (rank !== 4) return null
  return name.endsWith('/depthwise/conv/kernel') ? [2, 3, 0, 1] : [2, 3, 1, 0]
}

export const permutedShape = (shape: readonly number[], order: readonly number[] | null): readonly number[] =>
  order === null ? shape : order.map((axis) => shape[axis] ?? 1)

/** The elements in row-major order of the permuted axes. */
export const permuted = (
  data: Float32Array<ArrayBuffer>,
  shape: readonly number[],
  order: readonly number[] | null,
): Float32Array<ArrayBuffer> => {
  if (order === null) return data
  const from = stridesOf(shape)
  const strides = order.map((axis) => from[axis] ?? 0)
  const out = new Float32Array(data.length)
  forEachIndex(permutedShape(shape, order), (index, flat) => {
    let at = 0
    for (let i = 0; i < strides.length; i++) at += (index[i] as number) * (strides[i] as number)
    out[flat] = data[at] as number
  })
  return out
}
