/** SavedModels, loaded by TensorFlow's own loader, compared with results of effuse. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hostArrayOf } from '../../src/backends/backend.ts'
import { createTensorflowBackend } from '../../src/backends/tensorflow/index.ts'
import { dataTypes } from '../../src/backends/tensorflow/types.ts'
import { exportSavedModel } from '../../src/export/savedmodel/export-saved-model.ts'
import { writeSavedModel } from '../../src/export/savedmodel/write-saved-model.ts'
import { compile, efficientNet, float32, graph, mul } from '../../src/index.ts'
import { inputTypes } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import type { Model } from '../../src/ir/model.ts'
import { elements } from '../../src/ir/types.ts'
import { programOf } from '../../src/passes/program.ts'
import { anyGraph, feedsFor } from '../../src/testing/index.ts'
import { specsOf } from '../../src/executable/variable-spec.ts'
import { applied, expectClose } from '../support/one-graph.ts'
import { openSavedModel } from '../support/saved-model-session.ts'
import { normedNet, numbers, plainNet, squaresStep } from '../support/small-steps.ts'
import { tensorflowOrSkip } from '../support/tensorflow.ts'
import { expectCloseTogether, withLiveStatistics } from './live-statistics.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'effuse-saved-model-'))
})
afterAll(() => rmSync(folder, { recursive: true }))
let count = 0
const place = (): string => join(folder, `${count++}`)

// This test is the first one, because later exports load the library.
test('without TensorFlow it names the install command, and writes nothing', async () => {
  const before = process.env['EFFUSE_TENSORFLOW']
  process.env['EFFUSE_TENSORFLOW'] = join(folder, 'nowhere')
  try {
    await expect(exportSavedModel(place(), plainNet)).rejects.toMatchObject({
      code: 'EF404',
      hint: expect.stringContaining('effuse setup tensorflow'),
    })
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
  } finally {
    if (before === undefined) delete process.env['EFFUSE_TENSORFLOW']
    else process.env['EFFUSE_TENSORFLOW'] = before
  }
})

tensorflowOrSkip('a SavedModel', () => {
  test('of a random graph gives the results of the reference, including updates', async () => {
    const backend = await createTensorflowBackend()
    await fc.assert(
      fc.asyncProperty(anyGraph({ mixedTypes: false }), fc.nat(1000), async ({ graph: g }, seed) => {
        const { inputs, variables } = feedsFor(g, seed)
        const want = interpret(g, { inputs, variables, mode: 'declared' })
        const store = backend.createStore()
        for (const { name, type } of specsOf([g]))
          store.declare(name, type, () =>
            hostArrayOf(type.dtype, variables.get(name) ?? new Float32Array(elements(type.shape))),
          )
        const to = place()
        const program = programOf(applied(backend.legalize, g, backend))
        const signature = { name: 'serving_default', program, store, nameOf: (name: string) => name }
        await writeSavedModel(backend, [signature], { folder: to, force: false, runIndex: 0, seed: 0 })
        store.dispose()
        const session = openSavedModel(to)
        try {
          const feeds = [...inputTypes(g)].map(
            ([name, { dtype }]) => [name, hostArrayOf(dtype, inputs[name] ?? [])] as const,
          )
          const got = session.run('serving_default', Object.fromEntries(feeds))
          expect(Object.keys(got).sort()).toEqual(Object.keys(want.outputs).sort())
          for (const [output, { data }] of Object.entries(want.outputs)) expectClose(got[output], data, 1e-4)
          for (const [variable, { data }] of want.updates) {
            const type = specsOf([g]).find(({ name }) => name === variable)?.type
            expectClose(type && session.variable(variable, type), data, 1e-4)
          }
        } finally {
          session.close()
        }
      }),
      { numRuns: 40 },
    )
  }, 240_000)

  test('of EfficientNet-B0 gives the logits of tfjs-wasm, with batch norms folded into its variables', async () => {
    const model = efficientNet('b0', { classes: 10, resolution: 64 })
    const variables = await withLiveStatistics(model)
    const to = place()
    const report = await exportSavedModel(to, model, { batch: 2, variables })
    expect(report.variables.filter((name) => /variance|mean/.test(name))).toEqual([])
    using net = await compile(model, { batch: 2, variables, backend: 'tfjs-wasm' })
    const image = Float32Array.from({ length: 2 * 64 * 64 * 3 }, (_, i) => (i * 7919) % 256)
    const want = await (await net.run({ image })).logits.data()
    const session = openSavedModel(to)
    expectCloseTogether(session.run('serving_default', { image })['logits'], want, 1e-4)
    session.close()
  }, 300_000)

  test('in mixed precision computes like the TensorFlow backend, and stores half weights', async () => {
    const model = efficientNet('b0', { classes: 10, resolution: 32 })
    const options = { amp: { dtype: 'bfloat16' }, variables: await withLiveStatistics(model) } as const
    const to = place()
    await exportSavedModel(to, model, options)
    using net = await compile(model, { ...options, backend: 'tensorflow' })
    expect(net.amp?.weightCasts).toBeGreaterThan(0)
    const image = Float32Array.from({ length: 32 * 32 * 3 }, (_, i) => (i * 7919) % 256)
    const want = await (await net.run({ image })).logits.data()
    const session = openSavedModel(to)
    // TensorFlow's graph optimizer may fuse more in a session, so fewer intermediate values are rounded.
    expectCloseTogether(session.run('serving_default', { image })['logits'], want, 0.05)
    expect([...typesOfVariables(session)]).toEqual([dataTypes.bfloat16, dataTypes.float32])
    session.close()
  }, 300_000)

  describe.each([
    {
      name: 'with dropout and averages',
      step: () => squaresStep(normedNet(0.5), { emaDecay: 0.9, weightDecay: 1e-3 }),
    },
    { name: 'with accumulation', step: () => squaresStep(normedNet(), { accumulate: 2, emaDecay: 0.9 }) },
    { name: 'with a dynamic loss scale', step: () => squaresStep(plainNet, { lossScale: 'dynamic' }) },
  ])('of a training step $name', ({ step }) => {
    test('trains like the reference, and the other signature uses the new weights', async () => {
      const net = normedNet()
      const model: Model = step().name.startsWith('plain') ? plainNet : net
      using trainer = await compile(step(), { batch: 4, seed: 5, backend: 'reference' })
      using runner = await compile(model, { batch: 4, variables: trainer.variables, backend: 'reference' })
      const to = place()
      const signatures = { serving_default: model, train: step() }
      await exportSavedModel(to, signatures, { batch: 4, variables: trainer.variables, seed: 5 })
      const session = openSavedModel(to)
      for (let i = 0; i < 5; i++) {
        const x = Float32Array.from(numbers(12, i))
        const feeds = { x, wanted: Float32Array.from(numbers(8, 100 + i)) }
        const want = await trainer.run(feeds as never) // x [4,3], wanted [4,2]
        const got = session.run('train', feeds)
        expect(Object.keys(got).sort()).toEqual(Object.keys(want).sort())
        for (const [name, result] of Object.entries(want)) {
          const { dtype, data } = { dtype: result.dtype, data: await result.data() }
          if (dtype === 'float32') expectClose(got[name], data, 1e-4)
          else expect([name, ...(got[name] ?? [])]).toEqual([name, ...data])
        }
        const { y } = await runner.run({ x } as never)
        expectClose(session.run('serving_default', { x })['y'], (await y?.data()) ?? [], 1e-4)
      }
      session.close()
    }, 300_000)
  })

  test('continues the training of an executable, with the random numbers of its next runs', async () => {
    const step = squaresStep(normedNet(0.5), { emaDecay: 0.9 })
    using trainer = await compile(step, { batch: 4, backend: 'reference' })
    const feeds = (i: number) => ({
      x: Float32Array.from(numbers(12, i)),
      wanted: Float32Array.from(numbers(8, 100 + i)),
    })
    for (let i = 0; i < 3; i++) await trainer.run(feeds(i) as never)
    const to = place()
    const { variables, runIndex } = trainer
    await exportSavedModel(to, { serving_default: normedNet(), train: step }, { batch: 4, variables, runIndex })
    const session = openSavedModel(to)
    const { loss } = await trainer.run(feeds(3) as never)
    const got = session.run('train', feeds(3))
    expectClose(got['loss'], await loss.data(), 1e-5)
    session.close()
  })

  test('initializes the averages of a training step with the given weights', async () => {
    using net = await compile(plainNet, { seed: 9, backend: 'reference' })
    const weights = await net.variables.save()
    const step = squaresStep(plainNet, { emaDecay: 0.9 })
    const to = place()
    await exportSavedModel(to, { serving_default: plainNet, train: step }, { variables: weights })
    const session = openSavedModel(to)
    const type = { dtype: 'float32', shape: [3, 2] } as const
    expect([...session.variable('ema/dense/kernel', type)]).toEqual([...(await net.variables.get('dense/kernel'))])
    session.close()
  })

  test('draws new random numbers in each call, equal to those of an executable with the same seed', async () => {
    const noisy = graph('noisy', { x: float32('batch', 2) }, ({ x }, b) => ({ x, y: b.randomUniform([3]) }))
    using net = await compile(noisy, { seed: 3, backend: 'reference' })
    const to = place()
    await exportSavedModel(to, noisy, { seed: 3 })
    const session = openSavedModel(to)
    const seen: (readonly number[])[] = []
    for (let i = 0; i < 3; i++) {
      const got = session.run('serving_default', { x: new Float32Array(2) })['y'] ?? []
      expect([...got]).toEqual([...(await (await net.run({ x: [[0, 0]] })).y.data())])
      seen.push([...got])
    }
    expect(new Set(seen.map(String)).size).toBe(3)
    session.close()
  })

  test('keeps large constants as variables, not in the graph', async () => {
    const table = Float32Array.from(numbers(40_000, 3))
    const model = graph('table', { x: float32('batch', 2) }, ({ x }, b) => ({
      y: mul(x, 2),
      all: b.constant(table, { dtype: 'float32', shape: [200, 200] }),
    }))
    const to = place()
    const { variables } = await exportSavedModel(to, model)
    expect(variables).toEqual([expect.stringMatching(/^\.constants\//)])
    expect(statSync(join(to, 'saved_model.pb')).size).toBeLessThan(20_000)
    const session = openSavedModel(to)
    const { y, all } = session.run('serving_default', { x: Float32Array.of(1, 2) })
    expect([[...(y ?? [])], [...(all ?? [])]]).toEqual([[2, 4], [...table]])
    session.close()
  })

  test('of a model without variables has no variable files', async () => {
    const to = place()
    const report = await exportSavedModel(
      to,
      graph('doubled', { x: float32('batch', 2) }, ({ x }) => ({ y: mul(x, 2) })),
    )
    expect([report.variables, readdirSync(join(to, 'variables'))]).toEqual([[], []])
    const session = openSavedModel(to)
    expect([...(session.run('serving_default', { x: Float32Array.of(1, 2) })['y'] ?? [])]).toEqual([2, 4])
    session.close()
  })

  test('replaces a non-empty folder only with the option `force`', async () => {
    const to = place()
    await exportSavedModel(to, plainNet)
    await expect(exportSavedModel(to, plainNet)).rejects.toMatchObject({ code: 'EF501', message: /not empty/ })
    await exportSavedModel(to, plainNet, { batch: 3, force: true })
    const session = openSavedModel(to)
    expect(session.run('serving_default', { x: new Float32Array(9) })['y']).toHaveLength(6)
    session.close()
    mkdirSync(`${to}-empty`)
    await exportSavedModel(`${to}-empty`, plainNet)
    expect(existsSync(join(`${to}-empty`, 'saved_model.pb'))).toBe(true)
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
  })

  test('rejects invalid arguments with the reason', async () => {
    const to = place()
    const refused = (signatures: unknown, options: unknown, code: string, message: RegExp) =>
      expect(exportSavedModel(to, signatures as never, options as never)).rejects.toMatchObject({ code, message })
    await refused({ 'a b': plainNet }, {}, 'EF403', /name of a signature .* "a b"/)
    await refused({}, {}, 'EF403', /needs a signature/)
    await refused(null, {}, 'EF403', /takes a model, got null/)
    await refused({ train: 3 }, {}, 'EF403', /signature "train"/)
    await refused(
      { train: { model: plainNet, batch: 0 } },
      {},
      'EF403',
      /"train.batch" must be a positive integer, got 0/,
    )
    await refused(plainNet, { force: 1 }, 'EF403', /"force" must be true or false/)
    await refused(plainNet, { xla: { tensorflow: 'always' } }, 'EF403', /program that loads a SavedModel decides/)
    await refused(plainNet, { bath: 1 }, 'EF403', /no option "bath"/)
    writeFileSync(to, '')
    await expect(exportSavedModel(to, plainNet, { force: true })).rejects.toMatchObject({ code: 'EF501' })
    await expect(exportSavedModel(join(to, 'in', 'a'), plainNet)).rejects.toMatchObject({ code: 'EF501' })
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([])
  })
})

/** Element types of the variables. */
const typesOfVariables = ({ metaGraph }: ReturnType<typeof openSavedModel>): ReadonlySet<unknown> =>
  new Set(
    (metaGraph.graphDef?.node ?? [])
      .filter(({ op }) => op === 'VarHandleOp')
      .map(({ attr }) => attr['dtype']?.value.value)
      .sort()
      .reverse(),
  )
