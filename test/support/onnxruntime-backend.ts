/** ONNX Runtime as a backend: each graph is exported with the current values of the variables, and run from the bytes of the file. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { type Backend, type DeviceTensor, type HostArray, hostArrayOf } from '../../src/backends/backend.ts'
import { runSteps, type StepResults } from '../../src/backends/common/run-steps.ts'
import { makeVariableStore, type Memory } from '../../src/backends/common/variable-store.ts'
import { onnxGraphOf } from '../../src/export/onnx/encode.ts'
import { onnxTarget } from '../../src/export/onnx/export-onnx.ts'
import { encodeModel } from '../../src/export/onnx/model-proto.ts'
import { legalizeForOnnx } from '../../src/export/onnx/table.ts'
import { inputTypes, namedUpdates, typeOf, variablesReadBy } from '../../src/ir/graph.ts'
import { halfBits, halfFromBits } from '../../src/ir/rounding.ts'
import type { Graph, Type } from '../../src/ir/types.ts'
import { type GraphStep, programOf } from '../../src/passes/program.ts'

export const fileOf = (graph: Graph, weights: ReadonlyMap<string, ArrayLike<number>>): Uint8Array =>
  encodeModel(onnxGraphOf(programOf(graph), weights), { description: '', metadata: {} })

/** The results of the file for these inputs. */
export const runFile = async (
  bytes: Uint8Array,
  inputs: ReadonlyMap<string, { readonly type: Type; readonly data: HostArray }>,
): Promise<{ readonly [name: string]: HostArray }> => {
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const
  const session = await InferenceSession.create(bytes, options)
  try {
    const feeds = Object.fromEntries([...inputs].map(([name, { type, data }]) => [name, tensorOf(type, data)]))
    const results = await session.run(feeds)
    return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, arrayOf(tensor)]))
  } finally {
    await session.release()
  }
}

const tensorOf = ({ dtype, shape }: Type, data: HostArray): Tensor => {
  if (dtype === 'bfloat16') throw new Error('ONNX Runtime takes no bfloat16 from JavaScript')
  if (dtype === 'float16')
    return new Tensor(
      'float16',
      Uint16Array.from(data, (x) => halfBits('float16', x)),
      shape,
    )
  return new Tensor(dtype, data, shape)
}

const arrayOf = (tensor: Tensor): HostArray => {
  const { type, data } = tensor
  if (type === 'float16')
    return hostArrayOf(
      'float16',
      Array.from(data as Uint16Array, (bits) => halfFromBits('float16', bits)),
    )
  if (type === 'float32' || type === 'int32' || type === 'bool') return hostArrayOf(type, data as Float32Array)
  throw new Error(`a result of type ${type}`)
}

const memory: Memory<HostArray> = {
  device: Object.freeze({}),
  upload: (data) => data.slice(),
  download: (value) => Promise.resolve(value.slice()),
  free: () => {},
}

/** The outputs and updates of a graph. ONNX has only outputs. */
const resultsOf = (graph: Graph): { readonly graph: Graph; readonly updates: ReadonlyMap<string, string> } => {
  const updates = new Map(namedUpdates(graph).map(({ name }, i) => [`update ${i}`, name]))
  const outputs = [...graph.outputs, ...graph.updates.map(({ value }, i) => ({ name: `update ${i}`, value }))]
  return { graph: { ...graph, outputs, updates: [] }, updates }
}

export const onnxruntimeBackend = (): Backend<HostArray> => ({
  name: 'onnxruntime',
  target: onnxTarget,
  device: memory.device,
  fingerprint: 'onnxruntime',
  lost: new Promise(() => {}),
  legalize: legalizeForOnnx,
  fuse: [],
  createStore: () => makeVariableStore(memory),
  adopt: () => null,
  dispose: () => {},
  compile: (program, _store, { nameOf }) =>
    Promise.resolve({
      run: async (turn, steps, feeds, at) => {
        const types = new Map<string, Type>()
        const runGraph = async (
          { graph: declared }: GraphStep,
          operands: { variable(name: string): HostArray },
        ): Promise<StepResults<HostArray>> => {
          const { graph, updates } = resultsOf(declared)
          const weights = new Map(variablesReadBy(graph).map(({ attrs: { name } }) => [name, operands.variable(name)]))
          const inputs = new Map(
            [...inputTypes(graph)].map(([name, type]) => {
              const feed = feeds.get(name)
              if (feed === undefined) throw new Error(`no feed ${name}`)
              return [name, { type, data: 'host' in feed ? feed.host : feed.tensor.native }] as const
            }),
          )
          const results = await runFile(fileOf(graph, weights), inputs)
          for (const { name, value } of graph.outputs) types.set(name, typeOf(graph, value))
          const entries = Object.entries(results)
          return {
            outputs: new Map(entries.filter(([name]) => !updates.has(name))),
            updates: new Map(
              entries.flatMap(([name, data]) => (updates.has(name) ? [[updates.get(name) ?? '', data]] : [])),
            ),
          }
        }
        const results = await runSteps({ program, steps, turn, at, memory, nameOf, runGraph })
        return new Map(
          [...results].map(([name, value]) => [name, held(value, types.get(name) ?? { dtype: 'float32', shape: [] })]),
        )
      },
      profile: () => Promise.reject(new Error('not timed')),
      plan: { kernels: 0, dispatches: 0, peakBytes: null, arenaBytes: null, lowerBoundBytes: null },
      dispose: () => {},
    }),
})

const held = (native: HostArray, type: Type): DeviceTensor<HostArray> => ({
  type,
  device: memory.device,
  native,
  read: () => memory.download(native, type),
  share: () => held(native, type),
  dispose: () => {},
})
