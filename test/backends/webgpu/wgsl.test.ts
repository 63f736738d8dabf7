/** Kernels as WGSL: an independent parser reads the text, and on a device the shaders give the results of the kernels. */
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WgslReflect } from '../../support/wgsl-reflect.ts'
import { kernelOf } from '../../../src/backends/codegen/kernel/from-graph.ts'
import { interpretKernel } from '../../../src/backends/codegen/kernel/interpret.ts'
import type { Kernel, Phase } from '../../../src/backends/codegen/kernel/kernel.ts'
import { packOperands } from '../../../src/backends/codegen/kernel/pack.ts'
import { parseKernel } from '../../../src/backends/codegen/kernel/parse.ts'
import { splitReductions } from '../../../src/backends/codegen/kernel/split-reduction.ts'
import { emitWgsl } from '../../../src/backends/webgpu/wgsl/emit.ts'
import { type WgslSchedule, wgslScheduleOf } from '../../../src/backends/webgpu/wgsl/schedule.ts'
import { parse } from '../../../src/ir/parse.ts'
import { elements, isFloat } from '../../../src/ir/types.ts'
import { anyGraph } from '../../../src/testing/index.ts'
import { applied } from '../../support/one-graph.ts'
import { hasAdapter } from '../../support/webgpu.ts'
import { runOnWebgpu } from '../../support/webgpu-kernels.ts'
import { kernelBackend } from '../codegen/kernel-backend.ts'
import { operandsFor } from '../codegen/operands.ts'

const folder = new URL('../codegen/goldens/', import.meta.url).pathname
/** One kernel of each family, by name. */
const families = readdirSync(folder).map((name): readonly [string, Kernel] => [
  name.replace('.kernel', ''),
  parseKernel(readFileSync(`${folder}${name}`, 'utf8').split('// ----\n')[1] ?? ''),
])
const drawsNumbers = ({ phases }: Kernel): boolean =>
  phases.some(({ exprs }) => exprs.some(({ kind }) => kind === 'random'))
const emitted = families.filter(([, kernel]) => !drawsNumbers(kernel))

const kernelOfText = (text: string): Kernel => kernelOf(parse(text)).kernel

test.each(emitted)('%s: the parser finds the entry point and the stated bindings', (_, kernel) => {
  for (const { code, bindings } of emitWgsl(kernel)) {
    const { entry, storage } = new WgslReflect(code)
    expect(entry.compute.map(({ name }) => name)).toEqual(['main'])
    expect(entry.compute[0]?.attributes?.find(({ name }) => name === 'workgroup_size')?.value).toBe('64')
    const found = storage.map(({ name, group, binding, access, size }) => ({ name, group, binding, access, size }))
    expect(found).toEqual(
      bindings.map(({ buffer, access }, binding) => ({
        name: `b${buffer}`,
        group: 0,
        binding,
        access,
        size: 4 * elements(kernel.buffers[buffer]?.shape ?? []),
      })),
    )
  }
})

test('a map as text: guards, bounds and the used functions', () => {
  const [shader] = emitWgsl(
    kernelOfText('graph g { %x = input() {name="x"} : float32[3,5] %y = relu(%x) : float32[3,5] return %y }'),
  )
  expect(shader?.workgroups).toEqual([1, 1])
  expect(shader?.code).toBe(`struct Uniforms { NAN : f32, INFINITY : f32 }
var<private> nanBits : u32 = 0x7fc00000u;
var<private> infinityBits : u32 = 0x7f800000u;
var<private> uniforms : Uniforms;
fn isnan(x : f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn largest(a : f32, b : f32) -> f32 { return select(select(b, a, a > b), a + b, isnan(a) || isnan(b)); }
@group(0) @binding(0) var<storage, read> b0 : array<f32, 15>;
@group(0) @binding(1) var<storage, read_write> b1 : array<f32, 15>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) local : u32) {
  let tile = i32(group.x * 64u + local);
  if (tile >= 15) { return; }
  uniforms = Uniforms(bitcast<f32>(nanBits), bitcast<f32>(infinityBits));
  let a0 = tile / 5;
  let a1 = (tile) % 5;
  let v0 = b0[(a0) * 5 + a1];
  let v1 = largest(v0, 0.0);
  b1[(a0) * 5 + a1] = v1;
}
`)
})

test('more workgroups than one dimension allows use two dimensions', () => {
  const [shader] = emitWgsl(
    kernelOfText('graph g { %x = input() {name="x"} : float32[5000000] %y = neg(%x) : float32[5000000] return %y }'),
  )
  expect(shader?.workgroups).toEqual([65535, 2])
  expect(shader?.code).toContain('(group.x + group.y * 65535u) * 64u + local')
})

test('unsupported features are rejected by name', () => {
  const half = kernelOfText('graph g { %x = input() {name="x"} : float16[4] %y = neg(%x) : float16[4] return %y }')
  expect(() => emitWgsl(half)).toThrow('expected float32, int32 or bool in a shader, got buffer 0 of float16[4]')
  const [, random] = families.find(([name]) => name === 'random') as [string, Kernel]
  expect(() => emitWgsl(random)).toThrow('shaders do not draw random numbers yet: stream "drop"')
})

const check = async (
  kernel: Kernel,
  operands: ReadonlyMap<number, ArrayLike<number>> = operandsFor(kernel, 3),
  scheduleOf?: (phase: Phase) => WgslSchedule,
): Promise<void> => {
  const want = interpretKernel(kernel, operands)
  const got = await runOnWebgpu(kernel, operands, scheduleOf)
  for (const [at, { role, dtype }] of kernel.buffers.entries()) {
    if (role !== 'result') continue
    want[at]?.forEach((value, i) => {
      const made = got[at]?.[i] as number
      if (!isFloat(dtype) || !Number.isFinite(value)) expect(made, `${at}[${i}]`).toBe(value)
      else expect(Math.abs(made - value), `${at}[${i}]`).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value)))
    })
  }
}

describe.runIf(hasAdapter)('on a device', () => {
  test.each(emitted)('%s', (_, kernel) => check(kernel), 120_000)

  test('matrix products of all sizes around a tile, also packed', async () => {
    for (const [rows, inner, columns] of [
      [1, 3, 4],
      [5, 7, 9],
      [9, 2, 24],
    ]) {
      const kernel = kernelOfText(`graph g {
  %0 = input() {name="x"} : float32[${rows},${inner}]
  %1 = variable() {name="w"} : float32[${inner},${columns}]
  %2 = matmul(%0, %1) {} : float32[${rows},${columns}]
  %3 = sigmoid(%2) : float32[${rows},${columns}]
  return y = %3
}`)
      await check(kernel)
      const packed = packOperands(kernel, () => true)
      await check(packed.kernel)
    }
  }, 300_000)

  test('any tile gives the same values', async () => {
    const [, kernel] = families.find(([name]) => name === 'product') as [string, Kernel]
    for (const [rowAxis, rows, columns] of [
      [null, 1, 3],
      [0, 5, 2],
    ] as const)
      await check(kernel, operandsFor(kernel, 3), (phase) => ({
        ...wgslScheduleOf(phase),
        rowAxis,
        rows,
        columnAxis: 2,
        columns,
      }))
  }, 300_000)

  test('reductions that are split', async () => {
    const kernel = kernelOfText(`graph g {
  %0 = input() {name="x"} : float32[31,16]
  %1 = reduceSum(%0) {axes=[0, 1]} : float32[]
  %2 = reduceMax(%0) {axes=[0]} : float32[16]
  return s = %1, m = %2
}`)
    await check(splitReductions(kernel, { resultsMax: 64, termsMin: 1, blocksMax: 4 }))
  })

  test('maxima, comparisons and arg-max handle NaN and infinities like the reference', async () => {
    const kernel = kernelOfText(`graph g {
  %0 = input() {name="x"} : float32[2,4]
  %1 = relu(%0) : float32[2,4]
  %2 = reduceMax(%0) {axes=[1]} : float32[2]
  %3 = argMax(%0) {axis=1} : int32[2]
  %4 = isFinite(%0) : bool[2,4]
  %5 = exp(%0) : float32[2,4]
  return a = %1, b = %2, c = %3, d = %4, e = %5
}`)
    const x = Float64Array.of(1, NaN, Infinity, NaN, -Infinity, 2, Infinity, 3)
    await check(kernel, new Map([[0, x]]))
  })

  test('random graphs', async () => {
    const backend = kernelBackend()
    let count = 0
    await fc.assert(
      fc.asyncProperty(anyGraph({ mixedTypes: false }), fc.nat(100), async ({ graph }, seed) => {
        const { kernel } = kernelOf(applied(backend.legalize, graph, backend))
        if (drawsNumbers(kernel)) return
        count++
        await check(kernel, operandsFor(kernel, seed))
      }),
      { numRuns: 12 },
    )
    expect(count).toBeGreaterThan(6)
  }, 300_000)
})
