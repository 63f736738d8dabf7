/**
 * The two passes of resized() in WebAssembly with SIMD. Their integer arithmetic equals that of resample-plain.ts, so only the speed differs.
 */
import { precisionBits } from './taps.ts'
import { type Code, doWhile, get, i32, set, v128, type WasmFunction, wasmModule } from './wasm-module.ts'

const half = v128.splat(i32.const(1 << (precisionBits - 1)))
const advance = (local: number, by: Code): Code => set(local, i32.add(get(local), by))

/**
 * `rows` rows of RGB at `source`, each resized to as many pixels as there are records from `taps` to `tapsEnd`, one below the other at `target`.
 * A record is [first byte in the row, byte where its coefficients end in the record, coefficients…], all i32.
 * Reads up to 3 bytes after a row's end and writes 1 after each.
 */
const alongRows = (): WasmFunction => {
  const [source, sourceStride, sourceEnd, target, targetStride, taps, tapsEnd, recordBytes] = [0, 1, 2, 3, 4, 5, 6, 7]
  const [record, pixel, to, k, kEnd] = [8, 9, 10, 11, 12]
  const [sum, zero] = [13, 14]
  const tap = [
    ...set(sum, v128.add(get(sum), v128.mul(v128.widen(v128.load4(get(pixel)), get(zero), 0), v128.loadSplat(get(k))))),
    ...advance(pixel, i32.const(3)),
    ...advance(k, i32.const(4)),
  ]
  const shifted = v128.shiftRight(get(sum), precisionBits)
  const onePixel = [
    ...set(pixel, i32.add(get(source), i32.load(get(record)))),
    ...set(kEnd, i32.add(get(record), i32.load(get(record), 4))),
    ...set(k, i32.add(get(record), i32.const(8))),
    ...set(sum, half),
    ...doWhile(tap, i32.below(get(k), get(kEnd))),
    ...v128.store4(get(to), v128.narrowToU8(v128.narrowToI16(shifted, shifted), get(zero))),
    ...advance(to, i32.const(3)),
    ...advance(record, get(recordBytes)),
  ]
  const oneRow = [
    ...set(record, get(taps)),
    ...set(to, get(target)),
    ...doWhile(onePixel, i32.below(get(record), get(tapsEnd))),
    ...advance(target, get(targetStride)),
    ...advance(source, get(sourceStride)),
  ]
  return {
    name: 'alongRows',
    parameters: 8,
    locals: { i32: 5, v128: 2 },
    body: doWhile(oneRow, i32.below(get(source), get(sourceEnd))),
  }
}

/** One row at `target`, up to `targetEnd`, as the weighted sum of the rows at `source`; coefficients from `taps` to `tapsEnd`. By 16 bytes. */
const acrossRows = (): WasmFunction => {
  const [source, stride, target, targetEnd, taps, tapsEnd] = [0, 1, 2, 3, 4, 5]
  const [k, from] = [6, 7]
  const sums = [8, 9, 10, 11]
  const [bytes, coefficient, zero] = [12, 13, 14]
  const tap = [
    ...set(bytes, v128.load(get(from))),
    ...set(coefficient, v128.loadSplat(get(k))),
    ...sums.flatMap((sum, i) =>
      set(sum, v128.add(get(sum), v128.mul(v128.widen(get(bytes), get(zero), 4 * i), get(coefficient)))),
    ),
    ...advance(from, get(stride)),
    ...advance(k, i32.const(4)),
  ]
  const [a, b, c, d] = sums.map((sum) => v128.shiftRight(get(sum), precisionBits)) as [Code, Code, Code, Code] // of four
  const oneGroup = [
    ...set(from, get(source)),
    ...set(k, get(taps)),
    ...sums.flatMap((sum) => set(sum, half)),
    ...doWhile(tap, i32.below(get(k), get(tapsEnd))),
    ...v128.store(get(target), v128.narrowToU8(v128.narrowToI16(a, b), v128.narrowToI16(c, d))),
    ...advance(source, i32.const(16)),
    ...advance(target, i32.const(16)),
  ]
  return {
    name: 'acrossRows',
    parameters: 6,
    locals: { i32: 2, v128: 7 },
    body: doWhile(oneGroup, i32.below(get(target), get(targetEnd))),
  }
}

export interface ResampleKernels {
  readonly memory: WebAssembly.Memory
  readonly alongRows: (
    source: number,
    sourceStride: number,
    sourceEnd: number,
    target: number,
    targetStride: number,
    taps: number,
    tapsEnd: number,
    recordBytes: number,
  ) => void
  readonly acrossRows: (
    source: number,
    stride: number,
    target: number,
    targetEnd: number,
    taps: number,
    tapsEnd: number,
  ) => void
}

let made: ResampleKernels | null | undefined

/** One shared instance, because filling and reading its memory is synchronous. Null if WebAssembly with SIMD is not available or not allowed. */
export const resampleKernels = (): ResampleKernels | null => {
  if (made !== undefined) return made
  try {
    const memory = new WebAssembly.Memory({ initial: 1 })
    const module = new WebAssembly.Module(wasmModule([alongRows(), acrossRows()]))
    const { exports } = new WebAssembly.Instance(module, { env: { memory } })
    made = { ...(exports as unknown as Omit<ResampleKernels, 'memory'>), memory } // the module exports these names
  } catch {
    made = null
  }
  return made
}
