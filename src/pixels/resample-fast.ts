/** The triangle filter by WebAssembly, for pictures of three channels. */
import type { TriangleJob } from './resample.ts'
import { type ResampleKernels, resampleKernels } from './resample-kernels.ts'
import type { Taps } from './taps.ts'

const pageBytes = 1 << 16
/** Of input copied in at once. */
const bandBytesMax = 1 << 20
/** Of narrowed rows kept at once, where one row of the result does not need more. */
const narrowedBytesMax = 1 << 23

/** @returns [height, width, 3]; null if WebAssembly with SIMD is not available or the job does not fit */
export const fastTriangle = (job: TriangleJob): Uint8Array<ArrayBuffer> | null => {
  const { source, down } = job
  const kernels = source.channels === 3 ? resampleKernels() : null
  if (kernels === null) return null
  const height = down.first.length
  const layout = layoutOf(job)
  const pages = Math.ceil(layout.end / pageBytes)
  const held = kernels.memory.buffer.byteLength / pageBytes
  if (pages > held) kernels.memory.grow(pages - held)
  new Int32Array(kernels.memory.buffer, layout.taps, layout.records.length).set(layout.records)
  new Int32Array(kernels.memory.buffer, layout.weights, down.weights.length).set(down.weights)
  const out = new Uint8Array(height * layout.rowBytes)
  for (let y = 0; y < height; ) {
    const first = down.first[y] as number // one for every row
    let end = y + 1
    while (end < height && rowsFor(down, first, end) <= layout.rowsMax) end++
    narrow(kernels, job, layout, [first, first + rowsFor(down, first, end - 1)])
    widen(kernels, job, layout, { first, rows: [y, end], out })
    y = end
  }
  return out
}

/** Rows of the input from `first` that row `y` of the result reaches. */
const rowsFor = ({ first, counts }: Taps, from: number, y: number): number =>
  (first[y] as number) + (counts[y] as number) - from // one of each for every row

interface Layout {
  /** [first byte, end of the coefficients in the record, coefficients…] for each pixel of a row. */
  readonly records: Int32Array
  readonly recordBytes: number
  /** Of a row of the result; `stride` is that up to the next 16. */
  readonly rowBytes: number
  readonly stride: number
  readonly bandRows: number
  readonly rowsMax: number
  /** Places in the memory. */
  readonly taps: number
  readonly weights: number
  readonly band: number
  readonly narrowed: number
  readonly row: number
  readonly end: number
}

const layoutOf = ({ box, across, down }: TriangleJob): Layout => {
  const width = across.first.length
  const recordLength = 2 + across.stride
  const records = new Int32Array(width * recordLength)
  for (let x = 0; x < width; x++) {
    records[x * recordLength] = 3 * (across.first[x] as number) // one of each for every pixel
    records[x * recordLength + 1] = 8 + 4 * (across.counts[x] as number)
    records.set(across.weights.subarray(x * across.stride, (x + 1) * across.stride), x * recordLength + 2)
  }
  const rowBytes = 3 * width
  const stride = up(rowBytes + 1) // the last pixel writes one additional byte
  const bandRows = Math.max(1, Math.min(box.height, Math.floor(bandBytesMax / (3 * box.width))))
  const most = down.counts.reduce((a, b) => Math.max(a, b), 0)
  const rowsMax = Math.min(box.height, Math.max(most, Math.floor(narrowedBytesMax / stride)))
  const taps = 0
  const weights = up(taps + records.byteLength)
  const band = up(weights + down.weights.byteLength)
  const narrowed = up(band + bandRows * 3 * box.width + 16) // reads may go past the end of the last pixel
  const row = up(narrowed + rowsMax * stride + 16)
  const places = { taps, weights, band, narrowed, row, end: row + stride }
  return { records, recordBytes: 4 * recordLength, rowBytes, stride, bandRows, rowsMax, ...places }
}

const up = (bytes: number): number => Math.ceil(bytes / 16) * 16

/** Resizes rows [from, end) of the box to the width of the result. */
const narrow = (
  { memory, alongRows }: ResampleKernels,
  { source, box }: TriangleJob,
  { bandRows, band, narrowed, stride, taps, records, recordBytes }: Layout,
  [from, end]: readonly [number, number],
): void => {
  const bytes = new Uint8Array(memory.buffer)
  const boxBytes = 3 * box.width
  for (let y = from; y < end; y += bandRows) {
    const rows = Math.min(bandRows, end - y)
    // Rows with the picture's full width are contiguous.
    const [runs, runBytes] = box.width === source.width ? [1, rows * boxBytes] : [rows, boxBytes]
    for (let i = 0; i < runs; i++) {
      const at = ((box.top + y + i) * source.width + box.left) * 3
      bytes.set(source.data.subarray(at, at + runBytes), band + i * runBytes)
    }
    const target = narrowed + (y - from) * stride
    alongRows(band, boxBytes, band + rows * boxBytes, target, stride, taps, taps + records.byteLength, recordBytes)
  }
}

/** Computes rows of the result from the narrowed ones, whose first is row `first` of the box. */
const widen = (
  { memory, acrossRows }: ResampleKernels,
  { down }: TriangleJob,
  { narrowed, stride, weights, row, rowBytes }: Layout,
  { first, rows, out }: { readonly first: number; readonly rows: readonly [number, number]; readonly out: Uint8Array },
): void => {
  const result = new Uint8Array(memory.buffer, row, rowBytes)
  for (let y = rows[0]; y < rows[1]; y++) {
    const from = narrowed + ((down.first[y] as number) - first) * stride // one of each for every row
    const taps = weights + 4 * y * down.stride
    acrossRows(from, stride, row, row + stride, taps, taps + 4 * (down.counts[y] as number))
    out.set(result, y * rowBytes)
  }
}
