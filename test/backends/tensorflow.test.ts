/** The TensorFlow backend against the reference. */
import { fromBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openApi } from '../../src/backends/tensorflow/c-api.ts'
import { requireTensorflow } from '../../src/backends/tensorflow/find-library.ts'
import { createTensorflowBackend } from '../../src/backends/tensorflow/index.ts'
import { OpListSchema } from '../../src/backends/tensorflow/proto/tensorflow_pb.ts'
import { tfOps } from '../../src/backends/tensorflow/tf-ops.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { parse } from '../../src/ir/parse.ts'
import { adam } from '../../src/index.ts'
import { conformance, verifyGraph } from '../../src/testing/index.ts'
import { expectRandomGraphs } from '../support/random-graphs.ts'
import { runnableOf } from '../support/one-graph.ts'
import { normedNet, squaresStep } from '../support/small-steps.ts'
import { tensorflowOrSkip } from '../support/tensorflow.ts'

tensorflowOrSkip('TensorFlow', () => {
  test('conforms to the reference in every op', async () => {
    const report = await conformance(await createTensorflowBackend(), { runs: 10 })
    expect(report.failures).toEqual([])
    expect(report.cases).toBeGreaterThan(2000)
    expect(report.exclusions).toEqual([])
  }, 180_000)

  test('runs random graphs as the reference does, including updates', async () => {
    const backend = await createTensorflowBackend()
    await expectRandomGraphs(backend, 60)
  }, 300_000)

  test('runs the kernels of a training step, and the whole of it, as the reference does', async () => {
    const step = squaresStep(normedNet(0.25), { emaDecay: 0.9, clipNorm: 1, optimizer: adam({ learningRate: 0.01 }) })
    const { failures, judged } = await verifyGraph(step, await createTensorflowBackend(), { batch: 3 })
    expect(failures).toEqual([])
    expect(judged.at(-1)).toMatchObject({ name: 'the whole graph', how: 'whole' })
  })

  test('draws the same random bits as other backends', async () => {
    const backend = await createTensorflowBackend()
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 300 }),
        fc.string({ unit: fc.constantFrom('a', 'b', '/', '0') }),
        fc.maxSafeNat(),
        async (size, stream, runIndex) => {
          const type = `float32[${size},3]`
          const attrs = `shape=[${size}, 3], stream=${JSON.stringify(stream)}`
          const g = parse(`graph random {\n  %0 = randomUniform() {${attrs}} : ${type}\n  return y = %0\n}`)
          const at = { seed: 7, runIndex, replica: 5 }
          const { runnable, store, dispose } = await runnableOf(backend, g, new Map())
          const results = await store.turn((turn) => runnable.run(turn, ['run'], new Map(), at))
          expect([...((await results.get('y')?.read()) ?? [])]).toEqual([
            ...(interpret(g, { ...at }).outputs['y']?.data ?? []),
          ])
          dispose()
        },
      ),
      { numRuns: 30 },
    )
  })

  test('agrees with the library about results and type attributes of ops', () => {
    const api = openApi(requireTensorflow())
    const buffer = api.getAllOpList()
    const defined = new Map(fromBinary(OpListSchema, api.bufferBytes(buffer)).op.map((op) => [op.name, op]))
    api.deleteBuffer(buffer)
    for (const [name, { results, types }] of Object.entries(tfOps)) {
      const op = defined.get(name)
      expect([name, op?.outputArg.map((result) => result.name)]).toEqual([name, [...results]])
      for (const [attribute, at] of Object.entries(types)) {
        // The number of repeated operands of one type is given by an attribute of the node.
        const operand = op?.inputArg[Math.min(at, (op?.inputArg.length ?? 1) - 1)]
        expect([name, attribute, operand?.typeAttr]).toEqual([name, attribute, attribute])
      }
    }
  })
})
