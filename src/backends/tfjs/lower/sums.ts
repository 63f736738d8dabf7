/**
 * Sums over neighbouring axes, finished by a loop in float64.
 *
 * On wasm XNNPACK's average pooling sums windows of rows with SIMD, five times faster than the loop, which then sums the windows.
 * A window is short, so its sum in float32 differs from that in float64 by a few roundings only. If a sum is not finite, the loop computes it
 * again, because XNNPACK loses NaN.
 */
import type { HostArray } from '../../backend.ts'
import type { Operand } from '../plan-types.ts'
import type { Planner } from '../planner.ts'

/** Neighbouring axes are merged: an array [outer, reduced, inner] is reduced along its middle axis. */
export interface Group {
  readonly outer: number
  readonly reduced: number
  readonly inner: number
}

/** A sum for a host loop: the arrays that the loop reads, in this order, and the function that turns them into the sums [outer, inner]. */
export interface PlannedSum {
  readonly reads: readonly Operand[]
  readonly finish: (arrays: readonly HostArray[]) => Float64Array
}

/** Plans the sums of an operand of any float type. */
export const planSum = (x: Operand, group: Group, planner: Planner): PlannedSum => {
  const planned = planMeans(x, group, planner)
  if (planned === null) return { reads: [x], finish: ([data]) => sumRows(data as Float32Array, group) }
  const { means, pooling } = planned
  return {
    reads: [x, means],
    finish: ([data, windows]) => {
      const sums = sumWindows(data as Float32Array, windows as Float32Array, group, pooling)
      return areFinite(sums) ? sums : sumRows(data as Float32Array, group)
    },
  }
}

/** The means of windows of rows by a kernel, [outer, rows, 1, channels]; null if a loop over the elements is faster. */
export const planMeans = (
  x: Operand,
  group: Group,
  planner: Planner,
): { readonly means: Operand; readonly pooling: Pooling } | null => {
  const pooling = planner.device.kind === 'wasm' && x.dtype === 'float32' ? poolingFor(group) : null
  if (pooling === null) return null
  const { height, channels, window, rows } = pooling
  const shape = [group.outer, rows, 1, channels]
  const slot = planner.kernel(
    'AvgPool',
    { x: { ...x, shape: [group.outer, height, 1, channels] } },
    { filterSize: [window, 1], strides: [window, 1], pad: 'valid' },
    { dtype: x.dtype, shape },
  )
  return { means: { slot, shape, dtype: x.dtype }, pooling }
}

/** The operand as an image [outer, height, 1, channels] and windows [window, 1] side by side; `rows` of them fit. */
export interface Pooling {
  readonly height: number
  readonly channels: number
  readonly window: number
  readonly rows: number
}

/** Below this the loop is faster than a kernel's call. */
const pooledElementsMin = 1 << 14
/** Numbers of channels that fill XNNPACK's vectors. It keeps a row on the stack, which has 64 KiB in tfjs, and overflows it without an error. */
const [channelsMin, channelsMax] = [32, 4096]
/** Rows of a window: enough for speed, and few enough for an error of a few roundings. */
const [windowMin, windowMax, windowElse] = [16, 96, 64]

export const poolingFor = ({ outer, reduced, inner }: Group): Pooling | null => {
  if (outer * reduced * inner < pooledElementsMin) return null
  // With few channels, rows are merged: [reduced, inner] is equivalent to [reduced / m, m * inner].
  for (let m = 1; m * inner <= channelsMax; m++) {
    if (reduced % m !== 0 || m * inner < channelsMin) continue
    const height = reduced / m
    const window = windowOf(height)
    if (window !== null) return { height, channels: m * inner, window, rows: Math.floor(height / window) }
  }
  return null
}

/** The longest window that leaves no rows over. */
const windowOf = (height: number): number | null => {
  for (let window = Math.min(windowMax, height); window >= windowMin; window--) if (height % window === 0) return window
  return height >= windowElse ? windowElse : null
}

/** Sums of float32 numbers, and sums of these sums, are far below the limit of float64. */
const areFinite = (sums: Float64Array): boolean => {
  let total = 0
  for (let i = 0; i < sums.length; i++) total += sums[i] as number
  return Number.isFinite(total)
}

/** The means of the windows times their length, plus the remaining rows. */
const sumWindows = (
  x: Float32Array,
  means: Float32Array,
  { outer, reduced, inner }: Group,
  { height, channels, window, rows }: Pooling,
): Float64Array => {
  const perRow = channels / inner
  const sums = sumRows(means, { outer, reduced: rows * perRow, inner })
  for (let i = 0; i < sums.length; i++) sums[i] = (sums[i] as number) * window
  const over = (height - rows * window) * perRow
  if (over > 0) {
    for (let o = 0; o < outer; o++) addRows(sums, o * inner, x, (o * reduced + reduced - over) * inner, over, inner)
  }
  return sums
}

export const sumRows = (x: Float32Array, { outer, reduced, inner }: Group): Float64Array => {
  const sums = new Float64Array(outer * inner)
  for (let o = 0; o < outer; o++) {
    if (inner === 1) sums[o] = sumRun(x, o * reduced, reduced)
    else addRows(sums, o * inner, x, o * reduced * inner, reduced, inner)
  }
  return sums
}

/** sums[to + i] += x[at + r * inner + i] over all rows r, four at a time: a sum is loaded and stored once for four elements. */
const addRows = (sums: Float64Array, to: number, x: Float32Array, at: number, rows: number, inner: number): void => {
  let from = at
  let row = 0
  for (; row + 4 <= rows; row += 4, from += 4 * inner) {
    for (let i = 0, a = from; i < inner; i++, a++) {
      const four =
        (x[a] as number) + (x[a + inner] as number) + ((x[a + 2 * inner] as number) + (x[a + 3 * inner] as number))
      sums[to + i] = (sums[to + i] as number) + four
    }
  }
  for (; row < rows; row++, from += inner)
    for (let i = 0; i < inner; i++) sums[to + i] = (sums[to + i] as number) + (x[from + i] as number)
}

/** Four independent sums, so that no addition waits for the previous one. */
const sumRun = (x: Float32Array, at: number, count: number): number => {
  let [a, b, c, d] = [0, 0, 0, 0]
  let i = at
  for (const end = at + count - 3; i < end; i += 4) {
    a += x[i] as number
    b += x[i + 1] as number
    c += x[i + 2] as number
    d += x[i + 3] as number
  }
  for (; i < at + count; i++) a += x[i] as number
  return a + b + (c + d)
}
