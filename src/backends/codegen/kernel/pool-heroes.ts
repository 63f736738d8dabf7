/** Lowers pooling ops and their gradients. */
import { windowAxes } from '../../../ir/ops/window.ts'
import type { WindowAttrs } from '../../../ir/signatures.ts'
import type { Ref, Type } from '../../../ir/types.ts'
import type { Source } from './from-graph.ts'
import { type Axes, axesOf, combined, type Four, type Hero, outputOf, pixelOf, stored } from './hero.ts'
import type { Accumulator, Linear } from './kernel.ts'
import { coordinatesOf, scaled, sum } from './linear.ts'
import { PhaseBuilder } from './phase-builder.ts'

const poolAxes = (image: readonly number[], attrs: WindowAttrs): Axes =>
  windowAxes([image[1] as number, image[2] as number], attrs.window, attrs)

/** An accumulator over the in-bounds pixels of each output's window. */
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

/** The number of in-bounds pixels in each output's window. */
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

export const lowerMaxPool: Hero<'maxPool2d'> = ({ inputs: [x], attrs, types: [{ dtype }], at }, source, p) =>
  overWindow(x, attrs, at, p, source, (pixel) => ({ monoid: 'max', factors: [pixel], dtype }))

export const lowerAvgPool: Hero<'avgPool2d'> = ({ inputs: [x], attrs, types: [{ dtype }], at }, source, p) => {
  const total = overWindow(x, attrs, at, p, source, (pixel) => ({ monoid: 'sum', factors: [pixel], dtype: 'float32' }))
  return p.cast(p.op('div', [total, countOf(source.typeOf(x).shape, attrs, at, p)], 'float32'), dtype)
}

/** An element of a pooling gradient is a sum over the windows that contain it. `part` gives a term, and the condition under which it counts. */
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

/** An earlier phase finds the tap with the maximum of each window. */
export const lowerMaxPoolGradient: Hero<'maxPool2dGradient'> = (
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

/** An earlier phase divides dy by the number of pixels in each window. */
export const lowerAvgPoolGradient: Hero<'avgPool2dGradient'> = (
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
