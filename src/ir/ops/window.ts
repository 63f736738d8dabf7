/** Geometry of windows: output sizes and the padding in front, for convolutions and pools. */
import type { Pair, Padding } from '../signatures.ts'

/** One spatial axis of a window op. Input position = output * stride + tap * dilation - before. */
export interface Axis {
  readonly input: number
  readonly output: number
  readonly window: number
  readonly stride: number
  readonly dilation: number
  /** Elements of padding before and after. */
  readonly before: number
  readonly after: number
}

/** The two axes [height, width]; an output size below 1 means that the window does not fit. */
export const windowAxes = (
  spatial: Pair,
  window: Pair,
  attrs: { readonly strides: Pair; readonly padding: Padding; readonly dilations?: Pair },
): readonly [Axis, Axis] => {
  const axis = (i: 0 | 1): Axis => {
    const [input, size, stride, dilation] = [spatial[i], window[i], attrs.strides[i], attrs.dilations?.[i] ?? 1]
    const extent = (size - 1) * dilation + 1
    const [before, after] = paddingOf(attrs.padding, i, input, extent, stride)
    return {
      input,
      window: size,
      stride,
      dilation,
      before,
      after,
      output: Math.floor((input + before + after - extent) / stride) + 1,
    }
  }
  return [axis(0), axis(1)]
}

/** 'same' is TensorFlow's: output = ceil(input / stride), the odd element of padding goes after. */
const paddingOf = (padding: Padding, axis: 0 | 1, input: number, extent: number, stride: number): Pair => {
  if (padding === 'valid') return [0, 0]
  if (padding !== 'same') return padding[axis]
  const total = Math.max((Math.ceil(input / stride) - 1) * stride + extent - input, 0)
  const before = Math.floor(total / 2)
  return [before, total - before]
}

/** Size and dimension of a tensor's axis; -1 where it has none, so that checks fail rather than pass. */
export const sizeAt = (shape: readonly number[], axis: number): number => shape[axis] ?? -1
