/** XLA, TF32 and determinism on TensorFlow, and the effect of its graph optimizer on functions. */
import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import type { TensorflowContext } from '../../../src/backends/tensorflow/context.ts'
import { loadKoffi, requireTensorflow } from '../../../src/backends/tensorflow/find-library.ts'
import { createTensorflowBackend } from '../../../src/backends/tensorflow/index.ts'
import { type Mode, ModeGate } from '../../../src/backends/tensorflow/modes.ts'
import { makeRunnable } from '../../../src/backends/tensorflow/runnable.ts'
import { settingsFor } from '../../../src/backends/tensorflow/settings.ts'
import type { Store } from '../../../src/backends/backend.ts'
import type { TfTensor } from '../../../src/backends/tensorflow/memory.ts'
import { compile } from '../../../src/compile.ts'
import type { CompileOptions } from '../../../src/executable/options.ts'
import { relu, silu } from '../../../src/ir/functions.ts'
import { graph } from '../../../src/ir/model.ts'
import * as nn from '../../../src/ir/nn.ts'
import { parse } from '../../../src/ir/parse.ts'
import { float32 } from '../../../src/ir/value.ts'
import { efficientNet } from '../../../src/models/efficientnet.ts'
import { programOf } from '../../../src/passes/program.ts'
import { crossEntropy } from '../../../src/passes/train/losses.ts'
import { rmsprop } from '../../../src/passes/train/optimizers.ts'
import { trainingStep } from '../../../src/passes/train/step.ts'
import { expectClose } from '../../support/one-graph.ts'
import { tensorflowOrSkip } from '../../support/tensorflow.ts'

const convolutions = graph('convolutions', { x: float32('batch', 16, 16, 4) }, ({ x }) => {
  const first = relu(nn.conv2d(x, { filters: 8, kernel: 3, bias: true, name: 'first' }))
  return { y: silu(nn.conv2d(first, { filters: 8, kernel: 1, bias: true, name: 'second' })) }
})
const x = Float32Array.from({ length: 16 * 16 * 4 }, (_, i) => Math.sin(i))

const small = efficientNet('b0', {
  classes: 3,
  resolution: 16,
  blocks: [{ kernel: 3, repeats: 2, filters: 8, expand: 2, strides: 2 }],
})
const step = trainingStep(small, { loss: crossEntropy(), optimizer: rmsprop({ learningRate: 0.01 }) })
const feeds = { image: Uint8Array.from({ length: 4 * 16 * 16 * 3 }, (_, i) => (i * 89) % 256), label: [0, 1, 2, 0] }

/** The losses of two steps, and a weight after them. */
const trained = async (options: CompileOptions): Promise<readonly number[]> => {
  using trainer = await compile(step, { batch: 4, seed: 5, ...options })
  const losses: number[] = []
  for (let i = 0; i < 2; i++) losses.push(...(await (await trainer.run(feeds)).loss.data()))
  return [...losses, ...(await trainer.variables.get('head/dense/bias'))]
}

tensorflowOrSkip('options of TensorFlow', () => {
  test('the graph optimiser fuses convolutions with bias and activation, swish too', async () => {
    // The trace has the kernels of the backend's own context only, and parts of a batch run in another one.
    const backend = await createTensorflowBackend({ interOpThreads: 1 })
    // With fewer images than threads, some processors take a product and a separate swish: one-dnn.test.ts.
    const batch = availableParallelism()
    using net = await compile(convolutions, { backend, batch })
    const context = backend.device as TensorflowContext // of this backend
    const images = Float32Array.from({ length: batch * x.length }, (_, i) => x[i % x.length] as number)
    const { partitionGraphs } = await context.traced(async () => void (await net.run({ x: images })))
    const ops = partitionGraphs.flatMap(({ node }) => node).map(({ op }) => op)
    // The kernel of oneDNN or of TensorFlow.
    const fused = ops.filter((op) => /^_(MklNative)?FusedConv2D$/.test(op))
    expect(fused.length).toBeGreaterThanOrEqual(ops.includes('_MklNativeFusedConv2D') ? 2 : 1)
    expect(ops).not.toContain('Relu')
    expect(ops).not.toContain('BroadcastTo')
  })

  test('XLA compiles the graphs if the option is set: none of their kernels runs', async () => {
    const backend = await createTensorflowBackend()
    const context = backend.device as TensorflowContext // of this backend
    using plain = await compile(convolutions, { backend: 'reference' })
    using net = await compile(convolutions, { backend, variables: plain.variables, xla: { tensorflow: 'always' } })
    const want = await (await plain.run({ x })).y.data()
    let got: ArrayLike<number> = []
    const { partitionGraphs } = await context.traced(async () => {
      got = await (await net.run({ x })).y.data()
    })
    expect(partitionGraphs).toEqual([])
    expectClose(got, want, 1e-5)
    expect(net.explain('first').notes[0]).toBe("XLA compiles each graph, because of xla: { tensorflow: 'always' }")
  })

  test('a step of training through XLA is the reference’s: random numbers, guard and updates', async () => {
    const want = await trained({ backend: 'reference' })
    expectClose(await trained({ backend: 'tensorflow', xla: { tensorflow: 'always' } }), want, 1e-4)
    expectClose(await trained({ backend: 'tensorflow', xla: { tensorflow: 'never' } }), want, 1e-4)
  }, 180_000)

  test('an op that XLA cannot compile gives an error for the node, with a workaround', async () => {
    const backend = await createTensorflowBackend()
    const pool = parse(
      'graph pool {\n  %0 = input() {name="x"} : float32[1,4,4,1]\n  %1 = input() {name="dy"} : float32[1,2,2,1]\n  %2 = maxPool2dGradient(%0, %1) {window=[2, 2], strides=[2, 2], padding="valid"} : float32[1,4,4,1] @ pooled\n  return y = %2\n}',
    )
    const store = backend.createStore() as Store<TfTensor> // of this backend
    const runnable = makeRunnable(programOf(pool), { nameOf: (name) => name }, backend.device as TensorflowContext, {
      halfKernels: new Set(),
      isXla: true,
      mode: { tf32: false, deterministic: true },
      notes: [],
    })
    const given = new Map([
      ['x', { type: { dtype: 'float32', shape: [1, 4, 4, 1] }, host: new Float32Array(16) }],
      ['dy', { type: { dtype: 'float32', shape: [1, 2, 2, 1] }, host: new Float32Array(4) }],
    ] as const)
    const run = store.turn((turn) => runnable.run(turn, ['run'], given, { seed: 0, runIndex: 0, replica: 0 }))
    await expect(run).rejects.toMatchObject({
      code: 'EF405',
      message: expect.stringMatching(/^pooled \(maxPool2dGradient\): XLA cannot compile pool: .*deterministic/),
      hint: expect.stringContaining("xla: { tensorflow: 'never' }"),
    })
    runnable.dispose()
    store.dispose()
  })

  test('explain() gives the decisions for the whole program, with reasons', async () => {
    const notes = async (options: CompileOptions): Promise<readonly string[]> => {
      using net = await compile(convolutions, { backend: 'tensorflow', ...options })
      const { notes: said, text } = net.explain('first')
      for (const line of said) expect(text).toContain(line)
      return said
    }
    expect(await notes({ xla: false })).toContain(
      "XLA compiles nothing, because the option xla switches it off; TensorFlow's own kernels run",
    )
    expect(
      (await notes({ deterministic: false })).filter((note) => note.startsWith('deterministic: false')).length,
    ).toBe(1)
    expect((await notes({ amp: true })).length).toBeGreaterThanOrEqual(3)
  })

  test('TF32 and determinism are set in TensorFlow while a program with these options runs', async () => {
    const library = loadKoffi().load(requireTensorflow().framework)
    const [tf32, deterministic] = [
      '_ZN3tsl33tensor_float_32_execution_enabledEv',
      '_ZN3tsl21OpDeterminismRequiredEv',
    ].map((name) => library.func(`bool ${name}()`) as () => boolean)
    const settings = async (options: CompileOptions) => {
      using net = await compile(convolutions, { backend: 'tensorflow', ...options })
      const { y } = await net.run({ x })
      return [tf32?.(), deterministic?.(), await y.data()] as const
    }
    const [, , plain] = await settings({})
    expect((await settings({})).slice(0, 2)).toEqual([false, true])
    const [isTf32, isDeterministic, same] = await settings({ precision: 'tf32', deterministic: false })
    expect([isTf32, isDeterministic]).toEqual([true, false])
    expect((await settings({})).slice(0, 2)).toEqual([false, true])
    if (settingsOnCpu.isXla === false) expect(same).toEqual(plain)
  })

  test('equal runs give equal bits', async () => {
    expect(await trained({ backend: 'tensorflow' })).toEqual(await trained({ backend: 'tensorflow' }))
  })
})

const settingsOnCpu = settingsFor({}, true, programOf(convolutions.at({ batch: 1 })))

test('on GPUs XLA compiles by default, except ops without a deterministic kernel', () => {
  const plain = programOf(convolutions.at({ batch: 1 }))
  const pool = programOf(
    parse(
      'graph pool {\n  %0 = input() {name="x"} : float32[1,4,4,1]\n  %1 = input() {name="dy"} : float32[1,2,2,1]\n  %2 = maxPool2dGradient(%0, %1) {window=[2, 2], strides=[2, 2], padding="valid"} : float32[1,4,4,1]\n  return y = %2\n}',
    ),
  )
  expect(settingsFor({}, false, plain)).toMatchObject({ isXla: true, mode: { tf32: false, deterministic: true } })
  expect(settingsFor({ xla: 'never' }, false, plain).isXla).toBe(false)
  expect(settingsFor({}, false, pool)).toMatchObject({
    isXla: false,
    notes: expect.arrayContaining([expect.stringContaining('no deterministic gradient of max pools')]),
  })
  expect(settingsFor({ deterministic: false }, false, pool).isXla).toBe(true)
  expect(settingsFor({}, true, plain).isXla).toBe(false)
})

test('calls with different process settings never overlap; calls with the same settings do; an error releases the lock', async () => {
  const set: string[] = []
  const gate = new ModeGate({
    setTf32: (isOn) => set.push(`tf32 ${isOn}`),
    setDeterminism: (isOn) => set.push(`deterministic ${isOn}`),
  })
  const [strict, loose]: readonly Mode[] = [
    { tf32: false, deterministic: true },
    { tf32: true, deterministic: false },
  ]
  const running = new Set<Mode>()
  let most = 0
  const work = (mode: Mode | undefined, fails = false) =>
    gate.run(mode as Mode, async () => {
      running.add(mode as Mode)
      most = Math.max(most, running.size)
      await new Promise((resolve) => setTimeout(resolve, 2))
      running.delete(mode as Mode)
      if (fails) throw new Error('no')
    })
  const all = [work(strict), work(strict), work(loose, true), work(strict), work(loose)]
  expect((await Promise.allSettled(all)).map(({ status }) => status)).toEqual([
    'fulfilled',
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
  ])
  expect(most).toBe(1)
  const [on, off] = [
    ['tf32 false', 'deterministic true'],
    ['tf32 true', 'deterministic false'],
  ]
  expect(set).toEqual([on, off, on, off].flat())
})

test.each([
  [{ xla: { tensorflow: 'sometimes' } }, /option "xla" must be .*'auto', 'always' or 'never'/],
  [{ xla: { tensorflow: true } }, /option "xla" must be/],
  [{ precision: 'float16' }, /option "precision" must be 'float32' or 'tf32', got "float16"/],
  [{ deterministic: 1 }, /option "deterministic" must be/],
])('%j is refused', async (options, message) => {
  const wrong = options as unknown as CompileOptions
  await expect(compile(convolutions, { backend: 'reference', ...wrong })).rejects.toMatchObject({
    code: 'EF403',
    message: expect.stringMatching(message),
  })
})
