/** The triangle filter in plain JavaScript, used without WebAssembly and for other numbers of channels than three. */
import type { TriangleJob } from './resample.ts'
import { precisionBits, type Taps } from './taps.ts'

/** @returns [height, width, channels] */
export const plainTriangle = ({ source, box, across, down }: TriangleJob): Uint8Array<ArrayBuffer> => {
  const { channels } = source
  const [width, height] = [across.first.length, down.first.length]
  const rowBytes = width * channels
  const out = new Uint8ClampedArray(height * rowBytes)
  const rows = new Map<number, Uint8ClampedArray>()
  const narrowed = (y: number): Uint8ClampedArray => {
    const known = rows.get(y)
    if (known !== undefined) return known
    const from = ((box.top + y) * source.width + box.left) * channels
    const row = alongRow(source.data.subarray(from, from + box.width * channels), channels, across)
    rows.set(y, row)
    return row
  }
  const sums = new Int32Array(rowBytes)
  for (let y = 0; y < height; y++) {
    const [first, count] = [down.first[y] as number, down.counts[y] as number] // one of each for every row
    for (const known of rows.keys()) if (known < first) rows.delete(known)
    sums.fill(half)
    for (let t = 0; t < count; t++) {
      const [row, weight] = [narrowed(first + t), down.weights[y * down.stride + t] as number]
      for (let i = 0; i < rowBytes; i++) sums[i] = (sums[i] as number) + weight * (row[i] as number)
    }
    for (let i = 0; i < rowBytes; i++) out[y * rowBytes + i] = (sums[i] as number) >> precisionBits
  }
  return new Uint8Array(out.buffer)
}

const half = 1 << (precisionBits - 1)

/** Needs clamped arrays, because rounded weights may add up to slightly more than 1. */
const alongRow = (row: Uint8Array, channels: number, { first, counts, weights, stride }: Taps) => {
  const out = new Uint8ClampedArray(first.length * channels)
  for (let x = 0; x < first.length; x++)
    for (let c = 0; c < channels; c++) {
      let sum = half
      const from = (first[x] as number) * channels + c
      for (let t = 0; t < (counts[x] as number); t++)
        sum += (weights[x * stride + t] as number) * (row[from + t * channels] as number) // within the row
      out[x * channels + c] = sum >> precisionBits
    }
  return out
}
