/** Geometry of windows for convolutions and pools: output sizes and leading padding. */
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

/** 'same' as in TensorFlow: output = ceil(input / stride); an odd element of padding goes to the end. */
const paddingOf = (padding: Padding, axis: 0 | 1, input: number, extent: number, stride: number): Pair => {
  if (padding === 'valid') return [0, 0]
  if (padding !== 'same') return padding[axis]
  const total = Math.max((Math.ceil(input / stride) - 1) * stride + extent - input, 0)
  const before = Math.floor(total / 2)
  return [before, total - before]
}

/** The size of an axis; -1 if it does not exist, so that checks fail. */
export const sizeAt = (shape: readonly number[], axis: number): number => shape[axis] ?? -1
