/**
 * Ops that combine many elements into one. Each adds accumulators to a phase that has an axis for each dimension of its result; some need an earlier
 * phase of their own.
 */
import { windowAxes, type Axis } from '../../../ir/ops/window.ts'
import type {
  ContractionOps,
  ConvAttrs,
  OpAttrs,
  OpIn,
  OpOut,
  PoolingOps,
  ReductionOps,
  Tuple,
  WindowAttrs,
} from '../../../ir/signatures.ts'
import { type DType, isFloat, type Ref, type Type } from '../../../ir/types.ts'
import { coordinatesOf, type Source } from './from-graph.ts'
import type { Accumulator, Linear, Monoid } from './kernel.ts'
import { divided, fixed, scaled, sum } from './linear.ts'
import { PhaseBuilder } from './phase-builder.ts'

export type HeroOp = keyof ReductionOps | keyof ContractionOps | keyof PoolingOps

export interface HeroArgs<K extends HeroOp> {
  readonly attrs: OpAttrs<K>
  readonly inputs: Tuple<Ref, OpIn<K>>
  readonly types: Tuple<Type, OpOut<K>>
  /** Which result. */
  readonly port: number
  /** The position in the result. */
  readonly at: readonly Linear[]
}
/** The result's element at the position, which is inside. */
export type Hero<K extends HeroOp> = (args: HeroArgs<K>, source: Source, p: PhaseBuilder) => number

/** The numbers of axes; each must be one axis. */
const axesOf = (reduced: readonly Linear[]): readonly number[] =>
  reduced.map(({ terms }) => (terms[0] as Linear['terms'][number]).axis)

/** Stores one value for each point of the phase, in a new buffer. */
const stored = (value: number, type: Type, p: PhaseBuilder, source: Source): number => {
  const buffer = source.temporary(type)
  p.store(buffer, coordinatesOf(p.point(), type.shape), value)
  source.addPhase(p)
  return buffer
}

/** One accumulator over new axes of these sizes. */
const combined = (
  { dtype }: Type,
  p: PhaseBuilder,
  sizes: readonly number[],
  terms: (reduced: readonly Linear[]) => Omit<Accumulator, 'axes' | 'dtype'>,
): number => {
  const reduced = p.reduced(sizes)
  return p.accumulate({ ...terms(reduced), axes: axesOf(reduced), dtype })
}

/** The operand's coordinates where `kept` run along the axes that stay and `gone` along the others. */
const spread = (
  rank: number,
  axes: readonly number[],
  kept: readonly Linear[],
  gone: readonly Linear[],
  keepDims: boolean,
): readonly Linear[] => {
  const others = Array.from({ length: rank }, (_, i) => i).filter((i) => !axes.includes(i))
  return Array.from({ length: rank }, (_, i) => {
    const at = axes.indexOf(i)
    return (at >= 0 ? gone[at] : kept[keepDims ? i : others.indexOf(i)]) as Linear
  })
}

const reduction =
  (monoid: Monoid): Hero<Exclude<keyof ReductionOps, 'argMax' | 'topK'>> =>
  ({ inputs: [x], attrs: { axes, keepDims }, types: [type], at }, source, p) => {
    const { shape } = source.typeOf(x)
    const sizes = axes.map((at) => shape[at] as number)
    return combined(type, p, sizes, (gone) => ({
      monoid,
      factors: [source.pull(x, spread(shape.length, axes, at, gone, keepDims), p)],
      guard: null,
    }))
  }

const lowerArgMax: Hero<'argMax'> = ({ inputs: [x], attrs: { axis }, types: [type], at }, source, p) => {
  const { shape } = source.typeOf(x)
  return combined(type, p, [shape[axis] as number], (gone) => ({
    monoid: 'argmax',
    factors: [source.pull(x, spread(shape.length, [axis], at, gone, false), p)],
    guard: null,
  }))
}

/** An element's rank is the number of elements that come before it; each place takes the element of that rank. */
const lowerTopK: Hero<'topK'> = ({ inputs: [x], types, port, at: result }, source, p) => {
  const { shape } = source.typeOf(x)
  const ranks = source.once(`ranks ${x.id}.${x.port}`, () => ranksOf(x, source))
  return combined(types[port as 0 | 1], p, [shape.at(-1) as number], ([place]) => {
    const at = [...result.slice(0, -1), place as Linear]
    const found = p.load(ranks, coordinatesOf(at, shape), 'int32')
    const wanted = p.index(result.at(-1) as Linear)
    return {
      monoid: 'sum',
      factors: [port === 0 ? source.pull(x, at, p) : p.index(place as Linear)],
      guard: p.op('compare', [found, wanted], 'bool', { direction: 'eq' }),
    }
  })
}

const ranksOf = (x: Ref, source: Source): number => {
  const { dtype, shape } = source.typeOf(x)
  const p = new PhaseBuilder(shape)
  const here = p.point()
  const rank = combined({ dtype: 'int32', shape }, p, [shape.at(-1) as number], ([there]) => {
    const before = isBefore(
      { value: source.pull(x, [...here.slice(0, -1), there as Linear], p), at: there as Linear },
      { value: source.pull(x, here, p), at: here.at(-1) as Linear },
      dtype,
      p,
    )
    return {
      monoid: 'sum',
      factors: [p.cast(before, 'int32')],
      guard: null,
    }
  })
  return stored(rank, { dtype: 'int32', shape }, p, source)
}

interface Ranked {
  readonly value: number
  readonly at: Linear
}

/** Larger elements come first, NaN before all, of equal ones the lower index. */
const isBefore = (a: Ranked, b: Ranked, dtype: DType, p: PhaseBuilder): number => {
  const compare = (direction: 'eq' | 'ne' | 'gt' | 'lt', x: number, y: number): number =>
    p.op('compare', [x, y], 'bool', { direction })
  const both = (x: number, y: number): number => p.op('and', [x, y], 'bool')
  const either = (x: number, y: number): number => p.op('or', [x, y], 'bool')
  const isEarlier = compare('lt', p.index(a.at), p.index(b.at))
  const [larger, equal] = [compare('gt', a.value, b.value), compare('eq', a.value, b.value)]
  if (!isFloat(dtype)) return either(larger, both(equal, isEarlier))
  const [isNan, otherIsNan] = [compare('ne', a.value, a.value), compare('ne', b.value, b.value)]
  const isLarger = either(larger, both(isNan, p.op('not', [otherIsNan], 'bool')))
  return either(isLarger, both(either(equal, both(isNan, otherIsNan)), isEarlier))
}

const lowerMatmul: Hero<'matmul'> = ({ inputs: [a, b], attrs, types: [type], at: result }, source, p) => {
  const inner = source.typeOf(a).shape.at(attrs.transposeA ? -2 : -1) as number
  return combined(type, p, [inner], ([k]) => {
    const [batch, row, column] = [result.slice(0, -2), result.at(-2) as Linear, result.at(-1) as Linear]
    const at = (left: Linear, right: Linear, swap: boolean) => [...batch, ...(swap ? [right, left] : [left, right])]
    const factors = [
      source.pull(a, at(row, k as Linear, attrs.transposeA), p),
      source.pull(b, at(k as Linear, column, attrs.transposeB), p),
    ]
    return { monoid: 'sum', factors, guard: null }
  })
}

type Axes = readonly [Axis, Axis]
/** Of a phase over images: sample, row, column, channel; over kernels: row, column, and two of channels. */
type Four = readonly [Linear, Linear, Linear, Linear]

const convAxes = (image: readonly number[], kernel: readonly number[], attrs: ConvAttrs): Axes =>
  windowAxes([image[1] as number, image[2] as number], [kernel[0] as number, kernel[1] as number], attrs)

/** The pixel of the image that the tap meets for an output. */
const pixelOf = ({ stride, dilation, before }: Axis, output: Linear, tap: Linear): Linear =>
  sum([scaled(output, stride, -before), scaled(tap, dilation)])

/** The output for which the tap meets the pixel: there is none where the quotient has a remainder. */
const outputOf = ({ stride, dilation, before }: Axis, pixel: Linear, tap: Linear): Linear =>
  divided(sum([pixel, scaled(tap, -dilation)]), before, stride)

const convolution =
  (isDepthwise: boolean): Hero<'conv2d' | 'depthwiseConv2d'> =>
  ({ inputs: [x, kernel], attrs, types: [type], at: result }, source, p) => {
    const [image, taps] = [source.typeOf(x).shape, source.typeOf(kernel).shape]
    const [h, w] = convAxes(image, taps, attrs)
    const sizes = [h.window, w.window, ...(isDepthwise ? [] : [taps[2] as number])]
    return combined(type, p, sizes, ([ky, kx, c]) => {
      const [n, oy, ox, f] = result as Four
      const channel = c ?? f
      const at = [n, pixelOf(h, oy, ky as Linear), pixelOf(w, ox, kx as Linear), channel]
      const weights = [ky as Linear, kx as Linear, channel, isDepthwise ? fixed(0) : f]
      return {
        monoid: 'sum',
        factors: [source.pull(x, at, p), source.pull(kernel, weights, p)],
        guard: p.inside(coordinatesOf(at, image)),
      }
    })
  }

const inputGradient =
  (isDepthwise: boolean): Hero<'conv2dInputGradient' | 'depthwiseConv2dInputGradient'> =>
  ({ inputs: [dy, kernel], attrs, types: [type], at: result }, source, p) => {
    const [gradient, taps] = [source.typeOf(dy).shape, source.typeOf(kernel).shape]
    const [h, w] = convAxes(attrs.inputShape, taps, attrs)
    const sizes = [h.window, w.window, ...(isDepthwise ? [] : [taps[3] as number])]
    return combined(type, p, sizes, ([ky, kx, f]) => {
      const [n, y, x, c] = result as Four
      const at = [n, outputOf(h, y, ky as Linear), outputOf(w, x, kx as Linear), f ?? c]
      const weights = [ky as Linear, kx as Linear, c, f ?? fixed(0)]
      return {
        monoid: 'sum',
        factors: [source.pull(dy, at, p), source.pull(kernel, weights, p)],
        guard: p.inside(coordinatesOf(at, gradient)),
      }
    })
  }

const filterGradient =
  (isDepthwise: boolean): Hero<'conv2dFilterGradient' | 'depthwiseConv2dFilterGradient'> =>
  ({ inputs: [x, dy], attrs, types: [type], at: result }, source, p) => {
    const [image, gradient] = [source.typeOf(x).shape, source.typeOf(dy).shape]
    const [h, w] = convAxes(image, attrs.filterShape, attrs)
    return combined(type, p, [gradient[0] as number, h.output, w.output], ([n, oy, ox]) => {
      const [ky, kx, c, f] = result as Four
      const at = [n as Linear, pixelOf(h, oy as Linear, ky), pixelOf(w, ox as Linear, kx), c]
      const output = [n as Linear, oy as Linear, ox as Linear, isDepthwise ? c : f]
      return {
        monoid: 'sum',
        factors: [source.pull(x, at, p), source.pull(dy, output, p)],
        guard: p.inside(coordinatesOf(at, image)),
      }
    })
  }

const poolAxes = (image: readonly number[], attrs: WindowAttrs): Axes =>
  windowAxes([image[1] as number, image[2] as number], attrs.window, attrs)

/** An accumulator over the pixels that are in the window of each output. */
const overWindow = (
  x: Ref,
  attrs: WindowAttrs,
  result: readonly Linear[],
  p: PhaseBuilder,
  source: Source,
  make: (value: number) => Pick<Accumulator, 'monoid' | 'factors' | 'dtype'>,
): number => {
  const { shape } = source.typeOf(x)
  const [h, w] = poolAxes(shape, attrs)
  const reduced = p.reduced([h.window, w.window]) as readonly [Linear, Linear]
  const [n, oy, ox, c] = result as Four
  const at = [n, pixelOf(h, oy, reduced[0]), pixelOf(w, ox, reduced[1]), c]
  const guard = p.inside(coordinatesOf(at, shape))
  return p.accumulate({ ...make(source.pull(x, at, p)), axes: axesOf(reduced), guard })
}

/** How many pixels of the image are in the window of each output. */
const countOf = (image: readonly number[], attrs: WindowAttrs, result: readonly Linear[], p: PhaseBuilder): number => {
  const [h, w] = poolAxes(image, attrs)
  const [ky, kx] = p.reduced([h.window, w.window]) as readonly [Linear, Linear]
  const [, oy, ox] = result as Four
  const at = [pixelOf(h, oy, ky), pixelOf(w, ox, kx)]
  return p.accumulate({
    monoid: 'sum',
    axes: axesOf([ky, kx]),
    factors: [p.constant(1, 'float32')],
    guard: p.inside(coordinatesOf(at, [h.input, w.input])),
    dtype: 'float32',
  })
}

const lowerMaxPool: Hero<'maxPool2d'> = ({ inputs: [x], attrs, types: [{ dtype }], at }, source, p) =>
  overWindow(x, attrs, at, p, source, (pixel) => ({ monoid: 'max', factors: [pixel], dtype }))

const lowerAvgPool: Hero<'avgPool2d'> = ({ inputs: [x], attrs, types: [{ dtype }], at }, source, p) => {
  const total = overWindow(x, attrs, at, p, source, (pixel) => ({ monoid: 'sum', factors: [pixel], dtype: 'float32' }))
  return p.cast(p.op('div', [total, countOf(source.typeOf(x).shape, attrs, at, p)], 'float32'), dtype)
}

/** An element of a pool's gradient is a sum over the windows that it is in: `part` gives a term and whether it counts. */
const overWindows = (
  type: Type,
  attrs: WindowAttrs,
  result: readonly Linear[],
  p: PhaseBuilder,
  gradient: readonly number[],
  part: (at: readonly Linear[], tap: Linear) => { readonly term: number; readonly guard: number | null },
): number => {
  const [h, w] = poolAxes(type.shape, attrs)
  return combined(type, p, [h.window, w.window], ([ky, kx]) => {
    const [n, y, x, c] = result as Four
    const at = [n, outputOf(h, y, ky as Linear), outputOf(w, x, kx as Linear), c]
    const tap = sum([scaled(ky as Linear, w.window), kx as Linear])
    const { term, guard } = part(at, tap)
    return { monoid: 'sum', factors: [term], guard: p.all([p.inside(coordinatesOf(at, gradient)), guard]) }
  })
}

/** The first phase finds which tap of each window wins. */
const lowerMaxPoolGradient: Hero<'maxPool2dGradient'> = (
  { inputs: [x, dy], attrs, types: [type], at: result },
  source,
  p,
) => {
  const { shape } = source.typeOf(dy)
  const winners = source.once(`winners ${x.id}.${x.port} ${JSON.stringify(attrs)}`, () => {
    const first = new PhaseBuilder(shape)
    const tap = overWindow(x, attrs, first.point(), first, source, (pixel) => ({
      monoid: 'argmax',
      factors: [pixel],
      dtype: 'int32',
    }))
    return stored(tap, { dtype: 'int32', shape }, first, source)
  })
  return overWindows(type, attrs, result, p, shape, (at, tap) => ({
    term: source.pull(dy, at, p),
    guard: p.op('compare', [p.load(winners, coordinatesOf(at, shape), 'int32'), p.index(tap)], 'bool', {
      direction: 'eq',
    }),
  }))
}

/** The first phase divides dy by the number of pixels in each window. */
const lowerAvgPoolGradient: Hero<'avgPool2dGradient'> = (
  { inputs: [dy], attrs, types: [type], at: result },
  source,
  p,
) => {
  const { shape } = source.typeOf(dy)
  const shares = source.once(`shares ${dy.id}.${dy.port} ${JSON.stringify(attrs)}`, () => {
    const first = new PhaseBuilder(shape)
    const wide = first.cast(source.pull(dy, first.point(), first), 'float32')
    const share = first.op('div', [wide, countOf(type.shape, attrs, first.point(), first)], 'float32')
    return stored(share, { dtype: 'float32', shape }, first, source)
  })
  return overWindows(type, attrs, result, p, shape, (at) => ({
    term: p.load(shares, coordinatesOf(at, shape), 'float32'),
    guard: null,
  }))
}

export const heroes: { readonly [K in HeroOp]: Hero<K> } = {
  reduceSum: reduction('sum'),
  reduceMax: reduction('max'),
  reduceMin: reduction('min'),
  reduceProd: reduction('product'),
  reduceAll: reduction('and'),
  reduceAny: reduction('or'),
  argMax: lowerArgMax,
  topK: lowerTopK,
  matmul: lowerMatmul,
  conv2d: convolution(false),
  conv2dInputGradient: inputGradient(false),
  conv2dFilterGradient: filterGradient(false),
  depthwiseConv2d: convolution(true),
  depthwiseConv2dInputGradient: inputGradient(true),
  depthwiseConv2dFilterGradient: filterGradient(true),
  maxPool2d: lowerMaxPool,
  maxPool2dGradient: lowerMaxPoolGradient,
  avgPool2d: lowerAvgPool,
  avgPool2dGradient: lowerAvgPoolGradient,
}
