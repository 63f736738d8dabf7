/**
 * dw[k, c] = sum over samples and output positions of x[position of tap k, c] * dy[c].
 *
 * On wasm, kernels compute one tap after another: the pixels under the tap, times dy, summed over positions. XNNPACK's depthwise convolution, with dy
 * as a large kernel, has no vector code for this and takes three times as long. On tfjs-cpu one loop computes everything.
 */
import { windowAxes, type Axis } from '../../../ir/ops/window.ts'
import { elements, type Type } from '../../../ir/types.ts'
import type { HostArray } from '../../backend.ts'
import type { LowerFunction } from '../lowering.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'
import { inside, patchesOf } from './patches.ts'
import { as, made } from './shared.ts'
import { planSum } from './sums.ts'

export const lowerDepthwiseFilterGradient: LowerFunction<'depthwiseConv2dFilterGradient'> = ({
  attrs,
  inputs: [xView, dyView],
  types: [type],
  planner,
}) => {
  const [x, dy] = [planner.dense(xView), planner.dense(dyView)]
  const [kh = 1, kw = 1] = attrs.filterShape
  const axes = windowAxes([x.shape[1] ?? 1, x.shape[2] ?? 1], [kh, kw], attrs)
  return [
    made(
      planner.device.kind === 'wasm' ? byKernels(x, dy, axes, type, planner) : byLoop(x, dy, axes, type, planner),
      type,
    ),
  ]
}

/** Elements of pixels under taps that are processed together: 1 MiB fits into the cache. */
const pixelElementsMax = 1 << 18

const byKernels = (x: Operand, dy: Operand, axes: readonly [Axis, Axis], type: Type, planner: Planner): number => {
  const taps = axes[0].window * axes[1].window
  const channels = dy.shape[3] ?? 1
  const size = elements(dy.shape)
  const perGroup = Math.max(1, Math.min(taps, Math.floor(pixelElementsMax / size)))
  const sums = Array.from({ length: Math.ceil(taps / perGroup) }, (_, group) => {
    const first = group * perGroup
    const count = Math.min(perGroup, taps - first)
    const pixels = patchesOf(x, axes, { first, count }, 'tap by tap', planner)
    const shape = [count, size]
    const products = planner.kernel(
      'Multiply',
      { a: as(pixels, shape), b: as(dy, [size]) },
      {},
      { dtype: type.dtype, shape },
    )
    return planSum(
      { slot: products, shape, dtype: type.dtype },
      { outer: count, reduced: size / channels, inner: channels },
      planner,
    )
  })
  const reads = sums.flatMap((sum) => sum.reads)
  return planner.host1('Sum', reads, type, (arrays, [out]) => {
    let [array, tap] = [0, 0]
    for (const sum of sums) {
      const part = sum.finish(arrays.slice(array, array + sum.reads.length))
      out?.set(part, tap * channels)
      array += sum.reads.length
      tap += part.length / channels
    }
  })
}

const byLoop = (x: Operand, dy: Operand, [h, w]: readonly [Axis, Axis], type: Type, planner: Planner): number => {
  const [samples = 1, , , channels = 1] = dy.shape
  return planner.host1('taps', [x, dy], type, ([image, gradient], [out]) => {
    const sums = new Float64Array((out as HostArray).length)
    for (let tap = 0; tap < h.window * w.window; tap++) {
      const [ys, xs] = [inside(h, Math.floor(tap / w.window)), inside(w, tap % w.window)]
      for (let sample = 0; sample < samples; sample++) {
        for (let y = 0; y < ys.count; y++) {
          const from = ((sample * h.input + ys.input + y * h.stride) * w.input + xs.input) * channels
          const at = ((sample * h.output + ys.output + y) * w.output + xs.output) * channels
          addProducts(
            sums,
            { tap: tap * channels, channels, count: xs.count },
            { data: image as HostArray, at: from, step: w.stride * channels },
            { data: gradient as HostArray, at, step: channels },
          )
        }
      }
    }
    out?.set(sums)
  })
}

interface Row {
  readonly data: HostArray
  readonly at: number
  /** Stride from one position to the next. */
  readonly step: number
}

/** sums[tap + c] += x * dy over the positions of a row. */
const addProducts = (
  sums: Float64Array,
  { tap, channels, count }: { readonly tap: number; readonly channels: number; readonly count: number },
  x: Row,
  dy: Row,
): void => {
  for (let i = 0; i < count; i++) {
    const [from, at] = [x.at + i * x.step, dy.at + i * dy.step]
    for (let c = 0; c < channels; c++)
      sums[tap + c] = (sums[tap + c] as number) + (x.data[from + c] as number) * (dy.data[at + c] as number)
  }
}
