/** Pools with an invocation per result element. tfjs's kernels lose NaN, and its gradients divide by the whole window at the image's edge. */
import type { PoolingOps, WindowAttrs } from '../../../ir/signatures.ts'
import { windowAxes, type Axis } from '../../../ir/ops/window.ts'
import type { Type } from '../../../ir/types.ts'
import { made } from '../lower/shared.ts'
import type { LowerFunction, Lowering } from '../lowering.ts'
import { coordinates } from './index-math.ts'
import { Parameters } from './parameters.ts'
import { axisTexts, eachPixel, eachReader, type AxisText, type AxisTexts } from './window-math.ts'

const axesOf = (x: readonly number[], { window, strides, padding }: WindowAttrs): readonly [Axis, Axis] =>
  windowAxes([x[1] ?? 1, x[2] ?? 1], window, { strides, padding, dilations: [1, 1] })

/** Coordinates of an element of the image or of the result, as i32. */
const coordinatesOf = ({ shape }: Type, [y, x]: readonly [string, string], p: Parameters): string =>
  `${coordinates('i', shape, ['u0', 'u1', 'u2', 'u3'], p)}
  let sample = i32(u0); let ${y} = i32(u1); let ${x} = i32(u2); let c = i32(u3);`

/** The element of the image, or of the result. */
const pixel = ([h, w]: AxisTexts, channels: string): string =>
  `let at = ((sample * ${h.input} + y) * ${w.input} + x) * ${channels} + c;`
const window = ([h, w]: AxisTexts, channels: string): string =>
  `let out = ((sample * ${h.output} + oy) * ${w.output} + ox) * ${channels} + c;`

const lowerMax: LowerFunction<'maxPool2d'> = ({ attrs, inputs: [view], types: [type], planner }) => {
  const x = planner.dense(view)
  const p = new Parameters()
  const axes = axisTexts(axesOf(x.shape, attrs), p)
  const better = 'best = select(largest(best, x0[at]), x0[at], isFirst); isFirst = false;'
  const body = `${coordinatesOf(type, ['oy', 'ox'], p)}
  var best = 0.0;
  var isFirst = true;
  ${eachPixel(axes, `${pixel(axes, p.i(type.shape[3] ?? 1))} ${better}`)}
  result[i] = best;`
  return [made(planner.shader('maxPool2d', [x], type, { body, parameters: p }), type)]
}

const lowerAverage: LowerFunction<'avgPool2d'> = ({ attrs, inputs: [view], types: [type], planner }) => {
  const x = planner.dense(view)
  const p = new Parameters()
  const axes = axisTexts(axesOf(x.shape, attrs), p)
  const body = `${coordinatesOf(type, ['oy', 'ox'], p)}
  var sum = 0.0;
  var count = 0.0;
  ${eachPixel(axes, `${pixel(axes, p.i(type.shape[3] ?? 1))} sum = sum + x0[at]; count = count + 1.0;`)}
  result[i] = sum / count;`
  return [made(planner.shader('avgPool2d', [x], type, { body, parameters: p }), type)]
}

/** Passes each window's gradient to the first of its largest elements; NaN counts as the largest. */
const lowerMaxGradient: LowerFunction<'maxPool2dGradient'> = ({
  attrs,
  inputs: [view, dyView],
  types: [type],
  planner,
}) => {
  const x = planner.dense(view)
  const p = new Parameters()
  const channels = p.i(type.shape[3] ?? 1)
  const axes = axisTexts(axesOf(x.shape, attrs), p)
  const better =
    'let e = x0[at]; if (winner < 0 || (isnan(e) && !isnan(best)) || (e > best && !isnan(best))) { winner = at; best = e; }'
  const prelude = `fn winnerOf(sample : i32, oy : i32, ox : i32, c : i32) -> i32 {
  var winner = -1;
  var best = 0.0;
  ${eachPixel(axes, `${pixel(axes, channels)} ${better}`)}
  return winner;
}`
  const taken = 'if (winnerOf(sample, oy, ox, c) == index) { sum = sum + x1[out]; }'
  const body = `${coordinatesOf(type, ['py', 'px'], p)}
  var sum = 0.0;
  ${eachReader(axes, `${window(axes, channels)} ${taken}`)}
  result[i] = sum;`
  const operands = [x, planner.dense(dyView)]
  return [made(planner.shader('maxPool2dGradient', operands, type, { body, prelude, parameters: p }), type)]
}

const lowerAverageGradient: LowerFunction<'avgPool2dGradient'> = ({ attrs, inputs: [dy], types: [type], planner }) => {
  const p = new Parameters()
  const axes = axisTexts(axesOf(attrs.inputShape, attrs), p)
  /** Pixels of the image under the window along an axis. */
  const inside = (o: string, { stride, before, window: length, input }: AxisText): string =>
    `(min(${input}, ${o} * ${stride} - ${before} + ${length}) - max(0, ${o} * ${stride} - ${before}))`
  const share = `sum = sum + x0[out] / f32(${inside('oy', axes[0])} * ${inside('ox', axes[1])});`
  const body = `${coordinatesOf(type, ['py', 'px'], p)}
  var sum = 0.0;
  ${eachReader(axes, `${window(axes, p.i(type.shape[3] ?? 1))} ${share}`)}
  result[i] = sum;`
  return [made(planner.shader('avgPool2dGradient', [planner.dense(dy)], type, { body, parameters: p }), type)]
}

export const poolingLowering: { readonly [K in keyof PoolingOps]: Lowering<K> } = {
  maxPool2d: lowerMax,
  maxPool2dGradient: lowerMaxGradient,
  avgPool2d: lowerAverage,
  avgPool2dGradient: lowerAverageGradient,
}
