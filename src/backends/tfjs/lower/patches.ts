/** The input pixels under the taps of a convolution's window, for filter gradients. */
import { stridesOf } from '../../../ir/ops/shape.ts'
import type { Axis } from '../../../ir/ops/window.ts'
import type { HostArray } from '../../backend.ts'
import { copyStrided, type Walk } from '../../common/strided-copy.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'

/**
 * For each output position the input pixels under some taps (row-major over the window), 0 outside of the image:
 * 'tap by tap' [count, N*H2*W2, C], 'position by position' [1, N*H2*W2, count*C].
 */
export const patchesOf = (
  x: Operand,
  [h, w]: readonly [Axis, Axis],
  { first, count }: { readonly first: number; readonly count: number },
  order: 'tap by tap' | 'position by position',
  planner: Planner,
): Operand => {
  const [n = 1, , , c = 1] = x.shape
  const positions = n * h.output * w.output
  const [row, tapStep] = order === 'tap by tap' ? [c, positions * c] : [count * c, c]
  const shape = order === 'tap by tap' ? [count, positions, c] : [1, positions, count * c]
  const from = stridesOf(x.shape)
  const to = [h.output * w.output * row, w.output * row, row, 1]
  const blocks = Array.from({ length: count }, (_, i) => {
    const tap = first + i
    const [ys, xs] = [inside(h, Math.floor(tap / w.window)), inside(w, tap % w.window)]
    return {
      shape: [n, ys.count, xs.count, c],
      from: {
        at: ys.input * (from[1] ?? 0) + xs.input * c,
        strides: [from[0] ?? 0, h.stride * (from[1] ?? 0), w.stride * c, 1],
      } satisfies Walk,
      to: { at: ys.output * (to[1] ?? 0) + xs.output * row + i * tapStep, strides: to } satisfies Walk,
    }
  }).filter((block) => block.shape.every((size) => size > 0))
  const slot = planner.host1('patches', [x], { dtype: x.dtype, shape }, ([source], [target]) => {
    target?.fill(0)
    for (const block of blocks) copyStrided(source as HostArray, block.from, target as HostArray, block.to, block.shape)
  })
  return { slot, shape, dtype: x.dtype }
}

/** The output positions whose tap k is inside of the image: the first one, the input position that it reads, and their number. */
export const inside = (
  axis: Axis,
  k: number,
): { readonly output: number; readonly input: number; readonly count: number } => {
  const shift = k * axis.dilation - axis.before
  const output = Math.max(0, Math.ceil(-shift / axis.stride))
  const last = Math.min(axis.output - 1, Math.floor((axis.input - 1 - shift) / axis.stride))
  return { output, input: output * axis.stride + shift, count: Math.max(0, last - output + 1) }
}
