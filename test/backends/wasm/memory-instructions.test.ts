/** Instructions that access memory or a lane: each reads and writes the bytes that the WebAssembly specification says. */
import { expect, test } from 'vitest'
import type { ValueType } from '../../../src/backends/wasm/encoder.ts'
import {
  laneInstructions,
  type LaneMemoryInstruction,
  laneMemoryInstructions,
  type MemoryInstruction,
  memoryInstructions,
} from '../../../src/backends/wasm/instructions.ts'
import { bytesOf, compiled, loadVector, memory } from './compiled.ts'

test.each([0, 3])('a lane is read and replaced: lane %i', (lane) => {
  expect(Object.keys(laneInstructions)).toHaveLength(4)
  for (const [type, shape, array] of [
    ['i32', 'i32x4', Int32Array],
    ['f32', 'f32x4', Float32Array],
  ] as const) {
    const lanes = new array(memory.buffer, 0, 4)
    lanes.set([10, 20, 30, 40])
    const read = compiled([], type, (f) => {
      loadVector(f, 0)
      f.lane(`${shape}.extract_lane`, lane)
    })
    expect(read()).toBe(10 + 10 * lane)
    const replace = compiled([type], null, (f) => {
      f.i32(0)
      loadVector(f, 0)
      f.get(0)
      f.lane(`${shape}.replace_lane`, lane)
      f.memory('v128.store')
    })
    replace(7)
    expect([...lanes]).toEqual([10, 20, 30, 40].with(lane, 7))
  }
})

/** The memory before each access: byte `i` is `filled[i]`. */
const filled = Uint8Array.from({ length: 128 }, (_, i) => (i * 53 + 131) & 255)
const accessed = (run: () => unknown): { readonly result: unknown; readonly bytes: readonly number[] } => {
  const bytes = new Uint8Array(memory.buffer, 0, 128)
  bytes.set(filled)
  const result = run()
  return { result, bytes: [...bytes] }
}
const stored = (at: number, written: ArrayLike<number>): readonly number[] => {
  const bytes = filled.slice()
  bytes.set(written, at)
  return [...bytes]
}
const view = new DataView(filled.buffer)

/** Address 3 and offset 5: no access is aligned. */
const loads: { readonly [name: string]: readonly [type: ValueType, want: number | ArrayLike<number>] } = {
  'i32.load': ['i32', view.getInt32(8, true)],
  'f32.load': ['f32', view.getFloat32(8, true)],
  'i32.load8_u': ['i32', filled[8] as number],
  'i32.load16_u': ['i32', view.getUint16(8, true)],
  'v128.load': ['v128', filled.subarray(8, 24)],
  'v128.load16x4_u': ['v128', bytesOf(Int32Array.from([8, 10, 12, 14], (at) => view.getUint16(at, true)))],
  'v128.load32_splat': ['v128', bytesOf(new Int32Array(4).fill(view.getInt32(8, true)))],
  'v128.load32_zero': ['v128', bytesOf(Int32Array.of(view.getInt32(8, true), 0, 0, 0))],
}
const stores: { readonly [name: string]: readonly [type: ValueType, written: ArrayLike<number>] } = {
  'i32.store': ['i32', [4, 3, 2, 1]],
  'f32.store': ['f32', bytesOf(Float32Array.of(0x01020304))],
  'i32.store8': ['i32', [4]],
  'i32.store16': ['i32', [4, 3]],
  'v128.store': ['v128', filled.subarray(64, 80)],
}

test.each(Object.keys(memoryInstructions) as MemoryInstruction[])('%s', (name) => {
  const load = loads[name]
  if (load !== undefined) {
    const [type, want] = load
    if (type === 'v128') {
      const run = compiled([], null, (f) => {
        f.i32(96)
        f.i32(3)
        f.memory(name, 5)
        f.memory('v128.store')
      })
      expect(accessed(() => run()).bytes).toEqual(stored(96, want as ArrayLike<number>))
    } else {
      const run = compiled(['i32'], type, (f) => {
        f.get(0)
        f.memory(name, 5)
      })
      expect(accessed(() => run(3)).result).toBe(want)
    }
    return
  }
  const [type, written] = stores[name] as (typeof stores)[string]
  const run = compiled(type === 'v128' ? [] : [type], null, (f) => {
    f.i32(3)
    if (type === 'v128') loadVector(f, 64)
    else f.get(0)
    f.memory(name, 5)
  })
  expect(accessed(() => run(...(type === 'v128' ? [] : [0x01020304]))).bytes).toEqual(stored(8, written))
})

test.each(Object.keys(laneMemoryInstructions) as LaneMemoryInstruction[])('%s', (name) => {
  const size = name === 'v128.store64_lane' ? 8 : 4
  for (let lane = 0; lane < 16 / size; lane++) {
    const run = compiled([], null, (f) => {
      f.i32(3)
      loadVector(f, 64)
      f.laneMemory(name, lane, 5)
    })
    const from = 64 + size * lane
    expect(accessed(() => run()).bytes).toEqual(stored(8, filled.subarray(from, from + size)))
  }
})
