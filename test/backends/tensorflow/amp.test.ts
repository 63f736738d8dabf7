/** Half types on TensorFlow: the kernels, the casts, and when `amp: true` selects them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import type { TensorflowContext } from '../../../src/backends/tensorflow/context.ts'
import { requireTensorflow } from '../../../src/backends/tensorflow/find-library.ts'
import { type HalfKernels, contractionOps, findHalfKernels } from '../../../src/backends/tensorflow/half-kernels.ts'
import { halfTimes, keepHalfTimes } from '../../../src/backends/tensorflow/half-speed.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { lowerGraph } from '../../../src/backends/tensorflow/lower-graph.ts'
import type { FunctionDef } from '../../../src/backends/tensorflow/proto/tensorflow_pb.ts'
import { compile } from '../../../src/compile.ts'
import { measureHalf } from '../../../src/inspect/measure-half.ts'
import { parse } from '../../../src/ir/parse.ts'
import { efficientNet } from '../../../src/models/efficientnet.ts'
import { crossEntropy } from '../../../src/passes/train/losses.ts'
import { sgd } from '../../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../../src/passes/train/step.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const small = efficientNet('b0', {
  classes: 3,
  resolution: 16,
  dropout: 0,
  stochasticDepth: 0,
  blocks: [
    { kernel: 3, repeats: 1, filters: 8, expand: 2, strides: 1 },
    { kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 2 },
  ],
})
const image = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 89) % 256)

const folders: string[] = []
afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** The library is still found; its cache has no measurements. */
const emptyCache = (): string => {
  vi.stubEnv('EFFUSE_TENSORFLOW', dirname(requireTensorflow().main))
  const folder = mkdtempSync(join(tmpdir(), 'effuse-half-'))
  folders.push(folder)
  vi.stubEnv('XDG_CACHE_HOME', folder)
  return folder
}

const ops = ({ nodeDef }: FunctionDef): readonly string[] => nodeDef.map(({ op }) => op)

tensorflowOrSkip('half types on TensorFlow', () => {
  const product = parse(
    'graph product {\n  %0 = input() {name="a"} : bfloat16[2,3]\n  %1 = input() {name="b"} : bfloat16[3,4]\n  %2 = matmul(%0, %1) : bfloat16[2,4]\n  return y = %2\n}',
  )

  test('a contraction has half operands if the device accumulates in float32; otherwise they are widened', () => {
    const lowered = (kernels: HalfKernels): readonly string[] =>
      ops(lowerGraph(product, 'f', { halfKernels: kernels }).functions[0] as FunctionDef)
    expect(lowered(new Set(['MatMul bfloat16']))).toEqual(['MatMul'])
    expect(lowered(new Set(['MatMul float16', 'Conv2D bfloat16']))).toEqual(['Cast', 'Cast', 'MatMul', 'Cast'])
  })

  test('detects the accumulation type by sums that half types compute wrongly', async () => {
    const context = (await createTensorflowBackend()).device as TensorflowContext // of this backend
    const found = await findHalfKernels(context, 'bfloat16')
    // An addition in bfloat16 stops at 256, whose successor is 258.
    const ones = parse(
      'graph ones {\n  %0 = input() {name="a"} : bfloat16[1,4096]\n  %1 = input() {name="b"} : bfloat16[4096,1]\n  %2 = matmul(%0, %1) : bfloat16[1,1]\n  return y = %2\n}',
    )
    const { name, functions } = lowerGraph(ones, 'effuse_test_ones', { halfKernels: new Set(['MatMul bfloat16']) })
    for (const definition of functions) context.addFunction(definition)
    const full = new Float32Array(4096).fill(1)
    const operands = [
      context.upload(full, { dtype: 'bfloat16', shape: [1, 4096] }),
      context.upload(full, { dtype: 'bfloat16', shape: [4096, 1] }),
    ]
    const [handle = 0n] = await context.call(name, operands, 1)
    const [sum] = context.download(handle, { dtype: 'bfloat16', shape: [1, 1] })
    for (const held of [...operands, handle]) context.free(held)
    context.removeFunction(name)
    if (found.has('MatMul bfloat16')) expect(sum).toBe(4096)
    expect([...found].every((kernel) => contractionOps.some((op) => kernel === `${op} bfloat16`))).toBe(true)
  })

  test.each([
    ['bfloat16', false],
    ['float16', false],
    ['bfloat16', true],
  ] as const)('the function has exactly the casts of the certificate: %s, strict %s', async (dtype, strict) => {
    const backend = await createTensorflowBackend()
    const context = backend.device as TensorflowContext // of this backend
    const added = vi.spyOn(context, 'addFunction')
    using trainer = await compile(
      trainingStep(small, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }), lossScale: 'none' }),
      { backend, batch: 2, amp: { dtype, strict } },
    )
    const names = added.mock.calls.map(([{ signature }]) => signature?.name ?? '')
    const definitions = names
      .filter((name) => name.startsWith('effuse_') && !name.startsWith('effuse_half'))
      .map((name) => context.functionDef(name))
    const casts = definitions
      .flatMap(({ nodeDef }) => nodeDef)
      .filter(({ name, op }) => op === 'Cast' && name.startsWith('amp/'))
    const { amp } = trainer
    expect(amp?.casts).toBeGreaterThan(1)
    expect(casts).toHaveLength((amp?.casts ?? 0) + (amp?.weightCasts ?? 0))
    const results = await trainer.run({ image: Uint8Array.from([...image, ...image]), label: [0, 2] })
    expect(Number.isFinite((await results.loss.data())[0])).toBe(true)
  })

  test.each(['bfloat16', 'float16'] as const)(
    '%s: results equal those of the reference in that type',
    async (dtype) => {
      using plain = await compile(small, { backend: 'reference' })
      using half = await compile(small, { backend: 'tensorflow', amp: { dtype } })
      const want = [...(await (await plain.run({ image })).logits.data())]
      const got = [...(await (await half.run({ image })).logits.data())]
      // Units in the last place of the largest logit, after about a dozen roundings.
      const unit = Math.max(...want.map(Math.abs)) * (dtype === 'float16' ? 2 ** -11 : 2 ** -8)
      want.forEach((w, i) => expect(Math.abs((got[i] ?? Number.NaN) - w)).toBeLessThan(8 * unit))
      expect(got).not.toEqual(want)
      expect(half.amp).toMatchObject({ dtype, emulated: false, note: null })
    },
  )

  test('amp: true stays in float32 if bfloat16 was not measured to be faster, and gives the reason', async () => {
    emptyCache()
    const unmeasured = await createTensorflowBackend()
    if (unmeasured.target.halfTypes[0] !== 'bfloat16') return // a GPU
    using net = await compile(small, { backend: unmeasured, amp: true })
    expect(net.amp).toMatchObject({ dtype: 'float32', casts: 0, note: expect.stringContaining('was not measured') })
    expect(net.passes.some(({ name }) => name === 'amp')).toBe(false)

    keepHalfTimes(unmeasured.fingerprint, { float32: 10, bfloat16: 12 })
    using slower = await compile(small, { backend: await createTensorflowBackend(), amp: true })
    expect(slower.amp).toMatchObject({ dtype: 'float32', note: expect.stringContaining('took 12.0 ms') })

    keepHalfTimes(unmeasured.fingerprint, { float32: 10, bfloat16: 7 })
    using faster = await compile(small, { backend: await createTensorflowBackend(), amp: true })
    expect(faster.amp).toMatchObject({ dtype: 'bfloat16', note: null, casts: 1 })

    keepHalfTimes('another machine', { float32: 1, bfloat16: 2 })
    expect(halfTimes(unmeasured.fingerprint)).toEqual({ float32: 10, bfloat16: 7 })
  })

  test('an explicit type overrides the measurement', async () => {
    emptyCache()
    const backend = await createTensorflowBackend()
    using net = await compile(small, { backend, amp: { dtype: 'bfloat16' } })
    expect(net.amp).toMatchObject({ dtype: 'bfloat16', note: null, casts: 1 })
  })

  test('measures a step in both types, and keeps the times by fingerprint', async () => {
    emptyCache()
    const backend = await createTensorflowBackend()
    const times = await measureHalf(backend)
    expect(times.float32).toBeGreaterThan(0)
    expect(times.bfloat16).toBeGreaterThan(0)
    expect(halfTimes(backend.fingerprint)).toEqual(times)
  })
})
