/** ONNX files: ONNX Runtime computes the same as the reference interpreter on the graph. */
import { fromBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hostArrayOf } from '../../src/backends/backend.ts'
import { exportOnnx, onnxDeviations } from '../../src/export/index.ts'
import { onnxGraphOf } from '../../src/export/onnx/encode.ts'
import { onnxTarget } from '../../src/export/onnx/export-onnx.ts'
import { encodeModel } from '../../src/export/onnx/model-proto.ts'
import { type ModelProto, ModelProtoSchema } from '../../src/export/onnx/proto/onnx_pb.ts'
import { legalizeForOnnx, onnxLowering } from '../../src/export/onnx/table.ts'
import {
  compile,
  crossEntropy,
  efficientNet,
  float32,
  graph,
  nn,
  sgd,
  sigmoid,
  silu,
  trainingStep,
} from '../../src/index.ts'
import { benchFeeds } from '../../src/inspect/bench-feeds.ts'
import { Builder } from '../../src/ir/build.ts'
import { inputTypes, typeOf } from '../../src/ir/graph.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { opDef, opNames } from '../../src/ir/ops/index.ts'
import type { OpName } from '../../src/ir/signatures.ts'
import type { Graph } from '../../src/ir/types.ts'
import { inferencePipeline } from '../../src/passes/standard-pipelines.ts'
import { programOf } from '../../src/passes/program.ts'
import { runPipeline } from '../../src/passes/runner.ts'
import { anyGraph, type CaseOp, conformance, feedsFor } from '../../src/testing/index.ts'
import { expectClose } from '../support/one-graph.ts'
import { fileOf, onnxruntimeBackend, runFile } from '../support/onnxruntime-backend.ts'

const refused = opNames.filter((op) => {
  const lowering = onnxLowering[op]
  return typeof lowering === 'object' || (lowering === undefined && opDef(op).level !== 'composite')
})
const exclusions = refused.map((op) => ({ op: op as CaseOp, reason: 'it is refused' }))
const deviating = (when: string): ReadonlySet<string> =>
  new Set(onnxDeviations.flatMap(({ ops, when: said }) => (ops === 'all' || !said.includes(when) ? [] : ops)))

const modelOf = (bytes: Uint8Array): ModelProto => fromBinary(ModelProtoSchema, bytes)
const nodesOf = (bytes: Uint8Array) => modelOf(bytes).graph?.node ?? []
const countOf = (bytes: Uint8Array, op: string): number => nodesOf(bytes).filter(({ opType }) => opType === op).length

describe('each op', () => {
  test('conforms to the reference, except for NaN where ONNX does not define it', async () => {
    const bfloat16 = { op: '*', dtypes: ['float16', 'bfloat16'], reason: 'see onnxDeviations' } as const
    const report = await conformance(onnxruntimeBackend(), { runs: 6, exclusions: [bfloat16, ...exclusions] })
    const wrong = new Set(report.failures.map(({ name }) => name.split(' ')[0] ?? ''))
    const withSpecials = report.failures.filter(({ name }) => !name.includes('special numbers'))
    expect(withSpecials).toEqual([])
    expect([...wrong].filter((op) => !deviating('NaN').has(op))).toEqual([])
    expect([...wrong]).toEqual(expect.arrayContaining(['maxPool2d', 'reduceMax', 'reduceMin', 'argMax'])) // otherwise the list is too long
    expect(report.cases).toBeGreaterThan(1000)
  }, 300_000)

  test('has a sigmoid with the absolute error that the deviations state, and not with a relative one', async () => {
    const count = 4001
    const x = Float32Array.from({ length: count }, (_, i) => -30 + (60 * i) / (count - 1))
    const g = graph('s', { x: float32(count) }, (v) => ({ sigmoid: sigmoid(v.x), silu: silu(v.x) }))
    const results = await runFile(
      await exportOnnx(g),
      new Map([['x', { data: x, type: { dtype: 'float32', shape: [count] } }]]),
    )
    const errorsOf = (name: 'sigmoid' | 'silu', exact: (v: number) => number) =>
      Array.from(results[name] ?? []).map((y, i) => ({
        at: x[i] as number,
        error: Math.abs(Number(y) - exact(x[i] as number)),
      }))
    for (const { error } of errorsOf('sigmoid', (v) => 1 / (1 + Math.exp(-v)))) expect(error).toBeLessThan(1.5e-7)
    const ofSilu = errorsOf('silu', (v) => v / (1 + Math.exp(-v)))
    // Half a unit in the last place of the product is added.
    for (const { at, error } of ofSilu) expect(error).toBeLessThan(Math.abs(at) * (1.5e-7 + 2 ** -24) + 1e-12)
    // Otherwise the list is too long.
    expect(ofSilu.some(({ at, error }) => at < -4 && error > 5e-7)).toBe(true)
    expect([...deviating('negative')]).toEqual(['sigmoid', 'silu'])
  })

  test('of a network also conforms in float16', async () => {
    const bfloat16 = { op: '*', dtypes: ['bfloat16'], reason: 'see onnxDeviations' } as const
    const ops = ['add', 'mul', 'silu', 'softmax', 'mean', 'concatenate', 'avgPool2d'] as const
    const report = await conformance(onnxruntimeBackend(), { runs: 5, seed: 3, ops, exclusions: [bfloat16] })
    // These cases are chains of ops, in which ONNX Runtime keeps more precision.
    expect(report.failures.filter(({ name }) => !/made special numbers|in training/.test(name))).toEqual([])
    expect(report.cases).toBeGreaterThan(50)
  }, 300_000)

  test('that inference files cannot contain is rejected with its path', () => {
    const expected: readonly OpName[] = [
      ...(['input', 'variable', 'constant', 'randomUniform', 'batchNorm', 'dropout', 'fusion'] as const),
      ...(['conv2dInputGradient', 'conv2dFilterGradient', 'maxPool2dGradient', 'avgPool2dGradient'] as const),
      ...(['depthwiseConv2dInputGradient', 'depthwiseConv2dFilterGradient'] as const),
      ...(['rmsprop', 'sgd', 'adam', 'ema', 'allFinite', 'lossScaleUpdate'] as const),
    ]
    expect([...refused].sort()).toEqual([...expected].sort())
    const b = new Builder('noisy')
    const noise = b.scope('head/noise', () => b.emit1('randomUniform', [], { shape: [2], stream: 's' }))
    expect(() => fileOf(b.finish({ noise }), new Map())).toThrow(
      expect.objectContaining({
        code: 'EF405',
        path: 'head/noise',
        message:
          "head/noise: randomUniform cannot be exported to ONNX: the random operators of ONNX do not give the numbers of effuse's streams",
      }),
    )
  })
})

describe('whole graphs', () => {
  const exported = (g: Graph, variables: ReadonlyMap<string, Float64Array>, simplify: boolean): Uint8Array => {
    const pipeline = inferencePipeline({ legalize: legalizeForOnnx, fuse: [] }, { simplify, fusion: false })
    const { program } = runPipeline(pipeline, programOf(g), { target: onnxTarget })
    return encodeModel(onnxGraphOf(program, variables), { description: '', metadata: {} })
  }

  test('random graphs give the results of the interpreter, simplified or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyGraph({ mixedTypes: false, effects: false, stepsMax: 14 }),
        fc.nat(1000),
        fc.boolean(),
        async ({ graph: g }, seed, simplify) => {
          const { inputs, variables } = feedsFor(g, seed)
          const want = interpret(g, { inputs, variables })
          const feeds = new Map(
            [...inputTypes(g)].map(([name, type]) => [
              name,
              { type, data: hostArrayOf(type.dtype, inputs[name] ?? []) },
            ]),
          )
          const got = await runFile(exported(g, variables, simplify), feeds)
          expect(Object.keys(got).sort()).toEqual(g.outputs.map(({ name }) => name).sort())
          for (const [name, { data }] of Object.entries(want.outputs)) expectClose(got[name], data, 1e-4)
        },
      ),
      { numRuns: 40 },
    )
  }, 300_000)

  test('one value under two names, an input as a result, a constant as a result', async () => {
    const b = new Builder('odd')
    const x = b.input('x', { dtype: 'float32', shape: [2] })
    const y = b.tanh(x)
    const g = b.finish({ y, 'y again': y, x: x, 'the same x': x, one: b.constant(1) })
    const got = await runFile(
      fileOf(g, new Map()),
      new Map([['x', { type: typeOf(g, { id: x.id, port: 0 }), data: Float32Array.of(0, 1) }]]),
    )
    expect(got['y']).toEqual(got['y again'])
    // A name denotes one value in a file.
    expect(got['x.output']).toEqual(Float32Array.of(0, 1))
    expect(got['the same x']).toEqual(Float32Array.of(0, 1))
    expect(got['one']).toEqual(Float32Array.of(1))
  })

  test('images keep channels first from convolution to convolution', async () => {
    const net = graph('net', { image: float32('batch', 8, 8, 3) }, ({ image }, b) => {
      const stem = silu(nn.batchNorm(nn.conv2d(image, { filters: 4, kernel: 3, name: 'stem' }), { name: 'bn' }))
      const side = b.concatenate([stem, b.avgPool2d(stem, { window: [3, 3], strides: [1, 1], padding: 'same' })], 3)
      const padded = b.slice(b.pad(side, [0, 1, 0, 0], [0, 0, 1, 0]), [0, 0, 0, 1], [image.shape[0] ?? 1, 9, 9, 8])
      const last = nn.conv2d(b.emit1('softmax', [b.reverse(padded, [2])], { axis: 3 }) as typeof image, {
        filters: 2,
        kernel: 1,
        name: 'last',
      })
      return { mean: b.mean(last, [1, 2]), rows: b.reduceMax(last, [1]), last }
    })
    const bytes = await exportOnnx(net, { batch: 2 })
    expect(countOf(bytes, 'Transpose')).toBe(2) // one for the image, and one for the only result that is an image
  })

  test("a user's transpose to channels first adds no node", async () => {
    const net = graph('net', { image: float32('batch', 4, 4, 3) }, ({ image }, b) => ({
      y: b.transpose(nn.conv2d(image, { filters: 2, kernel: 3, name: 'conv' }), [0, 3, 1, 2]),
    }))
    expect(countOf(await exportOnnx(net), 'Transpose')).toBe(1)
  })
})

describe('EfficientNet-B0', () => {
  const model = efficientNet('b0', { resolution: 64 })

  test('with random weights gives the logits of tfjs-wasm, with descriptive names', async () => {
    using net = await compile(model, { batch: 2, backend: 'tfjs-wasm' })
    for (const name of net.variables.names('**/bn/*')) {
      const values = await net.variables.get(name)
      await net.variables.set(
        name,
        Float32Array.from(values, (x, i) => x + 0.4 * Math.sin(7 * i + name.length)),
      )
    }
    const bytes = await exportOnnx(model, { batch: 2, variables: net.variables })
    const feeds = benchFeeds(model.at({ batch: 2 }))
    const image = Float32Array.from(feeds['image'] ?? [])
    const got = await runFile(
      bytes,
      new Map([['image', { type: { dtype: 'float32', shape: [2, 64, 64, 3] }, data: image }]]),
    )
    const { logits, probabilities } = await net.run({ image })
    const want = await logits.data()
    const largest = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    expect(largest).toBeGreaterThan(0.01)
    const apart = want.reduce((most, x, i) => Math.max(most, Math.abs(x - (got['logits']?.[i] ?? Number.NaN))), 0)
    expect(apart).toBeLessThan(1e-4 * largest)
    expectClose(got['probabilities'], await probabilities.data(), 1e-5)

    const { graph: written, opsetImport } = modelOf(bytes)
    expect(opsetImport.map(({ version }) => version)).toEqual([18n])
    const names = written?.node.map(({ name }) => name) ?? []
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(
      expect.arrayContaining(['stem/conv', 'blocks.3/depthwise/conv', 'blocks.3/se/reduce', 'head/dense']),
    )
    const tensors = written?.initializer.map(({ name }) => name) ?? []
    expect(tensors).toEqual(
      expect.arrayContaining(['blocks.3/depthwise/conv/kernel', 'blocks.3/depthwise/conv/bias', 'head/dense/kernel']),
    )
    // A convolution with its bias is one node, and only the image is transposed.
    expect(countOf(bytes, 'Conv')).toBe(81)
    expect(countOf(bytes, 'Add')).toBe(9)
    expect(countOf(bytes, 'Transpose')).toBe(1)
    expect(countOf(bytes, 'BatchNormalization')).toBe(0)
  }, 300_000)

  test('in float16 has half weights, and the logits of float32 within float16 precision', async () => {
    const [whole, half] = [await exportOnnx(model), await exportOnnx(model, { amp: true })]
    expect(half.length).toBeLessThan(0.6 * whole.length)
    const type = { dtype: 'float32', shape: [1, 64, 64, 3] } as const
    const feeds = new Map([
      ['image', { type, data: Float32Array.from(benchFeeds(model.at({ batch: 1 }))['image'] ?? []) }],
    ])
    const [want, got] = [await runFile(whole, feeds), await runFile(half, feeds)]
    const largest = Float32Array.from(want['logits'] ?? []).reduce((most, x) => Math.max(most, Math.abs(x)), 0)
    const apart = Float32Array.from(want['logits'] ?? []).map((x, i) =>
      Math.abs(x - (got['logits']?.[i] ?? Number.NaN)),
    )
    expect(Math.max(...apart)).toBeLessThan(0.05 * largest)
  }, 300_000)

  test('op by op keeps its batch norms', async () => {
    const bytes = await exportOnnx(model, { xla: false })
    expect(countOf(bytes, 'BatchNormalization')).toBe(49)
  }, 300_000)

  test("contains the model's facts and the caller's metadata", async () => {
    const { metadataProps, producerName } = modelOf(await exportOnnx(model, { metadata: { licence: 'none' } }))
    expect(producerName).toBe('effuse')
    expect(metadataProps.find(({ key }) => key === 'licence')?.value).toBe('none')
    expect(metadataProps.some(({ value }) => value.includes('b0'))).toBe(true)
  }, 300_000)
})

describe('what cannot be exported', () => {
  const net = graph('net', { x: float32('batch', 3) }, ({ x }) => ({
    logits: nn.dense(x, { units: 2, name: 'dense' }),
  }))

  test('a training step', async () => {
    const step = trainingStep(net, { loss: crossEntropy(), optimizer: sgd({ learningRate: 0.1 }) })
    await expect(exportOnnx(step, { batch: 2 })).rejects.toMatchObject({
      code: 'EF405',
      message: expect.stringContaining('updates variables when it runs; an ONNX file holds a network for inference'),
    })
  })

  test('weights that exceed a protobuf message', () => {
    const tensors = [{ name: 'w', dtype: 'float32', shape: [2 ** 15, 2 ** 14], data: [] }] as const
    const huge = { name: 'huge', nodes: [], tensors, inputs: [], outputs: [], values: [] }
    expect(() => encodeModel(huge, { description: '', metadata: {} })).toThrow(
      expect.objectContaining({ code: 'EF501', message: expect.stringContaining('the weights of huge take 2.00 GiB') }),
    )
  })

  test('an invalid option', async () => {
    await expect(exportOnnx(net, { batch: 0 })).rejects.toMatchObject({ code: 'EF403' })
  })
})
