/** A SavedModel loaded by TensorFlow's C API, as TensorFlow Serving does. It is independent of how effuse writes one. */
import { fromBinary } from '@bufbuild/protobuf'
import type { HostArray } from '../../src/backends/backend.ts'
import { openApi, type Pointer } from '../../src/backends/tensorflow/c-api.ts'
import { decode, encode } from '../../src/backends/tensorflow/content.ts'
import { loadKoffi, requireTensorflow } from '../../src/backends/tensorflow/find-library.ts'
import {
  type MetaGraphDef,
  MetaGraphDefSchema,
  type TensorInfo,
} from '../../src/backends/tensorflow/proto/tensorflow_pb.ts'
import { dataTypes } from '../../src/backends/tensorflow/types.ts'
import { dtypes } from '../../src/ir/types.ts'
import { elements, sizeBytes, type DType, type Type } from '../../src/ir/types.ts'

export interface SavedModelSession {
  readonly metaGraph: MetaGraphDef
  run(signature: string, feeds: { readonly [input: string]: HostArray }): { readonly [output: string]: HostArray }
  /** The current value of a variable in the session. */
  variable(name: string, type: Type): HostArray
  close(): void
}

const typeOf = ({ dtype, tensorShape }: TensorInfo): Type => ({
  dtype: dtypes.find((name) => dataTypes[name] === dtype) as DType,
  shape: tensorShape?.dim.map(({ size }) => Number(size)) ?? [],
})

/** @throws the error of TensorFlow for a folder that is not a SavedModel */
export const openSavedModel = (folder: string): SavedModelSession => {
  const found = requireTensorflow()
  const api = openApi(found)
  const koffi = loadKoffi()
  const library = koffi.load(found.main, { lazy: true })
  const output = koffi.struct({ oper: 'void*', index: 'int' })
  const f = {
    newOptions: library.func('void* TF_NewSessionOptions()'),
    newGraph: library.func('void* TF_NewGraph()'),
    load: library.func('void* TF_LoadSessionFromSavedModel(void*, void*, str, const char**, int, void*, void*, void*)'),
    operation: library.func('void* TF_GraphOperationByName(void*, str)'),
    run: library.func('TF_SessionRun', 'void', [
      ...['void*', 'void*', koffi.pointer(output), 'void**', 'int', koffi.pointer(output)],
      ...[koffi.out(koffi.pointer('void*', 1)), 'int', 'void*', 'int', 'void*', 'void*'],
    ]),
    close: library.func('void TF_CloseSession(void*, void*)'),
    deleteSession: library.func('void TF_DeleteSession(void*, void*)'),
    deleteGraph: library.func('void TF_DeleteGraph(void*)'),
    deleteOptions: library.func('void TF_DeleteSessionOptions(void*)'),
  }
  const status = api.newStatus()
  const check = (): void => {
    if (api.getCode(status) !== 0) throw new Error(api.message(status))
  }
  const [options, graph, buffer] = [f.newOptions() as Pointer, f.newGraph() as Pointer, api.newBuffer()]
  const session = f.load(options, null, folder, ['serve'], 1, graph, buffer, status) as Pointer
  check()
  const metaGraph = fromBinary(MetaGraphDefSchema, api.bufferBytes(buffer))
  api.deleteBuffer(buffer)
  const place = (name: string) => {
    const [node = '', index = '0'] = name.split(':')
    const oper = f.operation(graph, node) as Pointer
    if (oper === 0n || oper === null) throw new Error(`the SavedModel has no node ${node}`)
    return { oper, index: Number(index) }
  }
  const upload = (data: HostArray, type: Type): Pointer => {
    const size = sizeBytes(type)
    const shape = BigInt64Array.from(type.shape, BigInt)
    const tensor = api.allocateTensor(dataTypes[type.dtype], shape, type.shape.length, size)
    api.writeTensor(tensor, encode(type.dtype, data))
    return tensor
  }
  const fetch = (
    feeds: readonly (readonly [string, Pointer])[],
    fetches: readonly (readonly [string, Type])[],
  ): readonly HostArray[] => {
    const results = new Array<Pointer | null>(fetches.length).fill(null)
    const [from, to] = [feeds.map(([name]) => place(name)), fetches.map(([name]) => place(name))]
    const values = feeds.map(([, tensor]) => tensor)
    f.run(session, null, from, values, from.length, to, results, to.length, null, 0, null, status)
    for (const tensor of values) api.deleteTensor(tensor)
    check()
    return results.map((tensor, i) => {
      const [, { dtype, shape }] = fetches[i] as (typeof fetches)[number]
      const data = decode(dtype, elements(shape), (to) => api.readTensor(tensor as Pointer, to))
      api.deleteTensor(tensor as Pointer)
      return data
    })
  }
  const nameOf = ({ encoding }: TensorInfo): string => encoding.value ?? ''
  return {
    metaGraph,
    run: (signature, feeds) => {
      const definition = metaGraph.signatureDef[signature]
      if (definition === undefined) throw new Error(`the SavedModel has no signature ${signature}`)
      const outputs = Object.entries(definition.outputs)
      const inputs = Object.entries(definition.inputs).map(([name, info]) => {
        const data = feeds[name]
        if (data === undefined) throw new Error(`${signature} needs ${name}`)
        return [nameOf(info), upload(data, typeOf(info))] as const
      })
      const results = fetch(
        inputs,
        outputs.map(([, info]) => [nameOf(info), typeOf(info)] as const),
      )
      return Object.fromEntries(outputs.map(([name], i) => [name, results[i] as HostArray]))
    },
    variable: (name, type) => fetch([], [[`save/read/${name}`, type]])[0] as HostArray,
    close: () => {
      f.close(session, status)
      f.deleteSession(session, status)
      f.deleteGraph(graph)
      f.deleteOptions(options)
      api.deleteStatus(status)
    },
  }
}
