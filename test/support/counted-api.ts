/**
 * TensorFlow's C API with counts of live handles. Freeing a handle twice, or one that was never created, is an error, while it would crash the
 * library.
 */
import { fromBinary } from '@bufbuild/protobuf'
import type * as CApi from '../../src/backends/tensorflow/c-api.ts'
import type { Pointer, TensorflowApi } from '../../src/backends/tensorflow/c-api.ts'
import { FunctionDefSchema } from '../../src/backends/tensorflow/proto/tensorflow_pb.ts'

export interface Alive {
  readonly handles: number
  readonly tensors: number
  readonly ops: number
  readonly statuses: number
  readonly buffers: number
  readonly functions: number
  readonly contexts: number
}

export interface CountedApi {
  readonly api: TensorflowApi
  alive(): Alive
}

export const counted = (inner: TensorflowApi): CountedApi => {
  const [handles, tensors, ops, statuses, buffers, contexts] = [
    new Set<Pointer>(),
    new Set<Pointer>(),
    new Set<Pointer>(),
    new Set<Pointer>(),
    new Set<Pointer>(),
    new Set<Pointer>(),
  ]
  const functions = new Set<string>()
  const made = (alive: Set<Pointer>, pointer: Pointer): Pointer => {
    if (pointer !== 0n) alive.add(pointer)
    return pointer
  }
  const known = (alive: Set<Pointer>, pointer: Pointer): Pointer => {
    if (!alive.has(pointer)) throw new Error(`${pointer} is not alive`)
    return pointer
  }
  const freed = (alive: Set<Pointer>, pointer: Pointer): Pointer => {
    known(alive, pointer)
    alive.delete(pointer)
    return pointer
  }
  const given = (results: readonly (Pointer | null)[]): void => {
    for (const handle of results) if (handle !== null) made(handles, handle)
  }
  const api: TensorflowApi = {
    ...inner,
    newStatus: () => made(statuses, inner.newStatus()),
    deleteStatus: (status) => inner.deleteStatus(freed(statuses, status)),
    newContext: (...args) => made(contexts, inner.newContext(...args)),
    deleteContext: (context) => inner.deleteContext(freed(contexts, context)),
    contextAddFunctionDef: (context, proto, size, status) => {
      inner.contextAddFunctionDef(known(contexts, context), proto, size, status)
      if (inner.getCode(status) === 0) functions.add(fromBinary(FunctionDefSchema, proto).signature?.name ?? '')
    },
    contextRemoveFunction: (context, name, status) => {
      if (!functions.delete(name)) throw new Error(`there is no function ${name}`)
      inner.contextRemoveFunction(known(contexts, context), name, status)
      if (inner.getCode(status) !== 0) throw new Error(`${name} was not removed: ${inner.message(status)}`)
    },
    newOp: (...args) => made(ops, inner.newOp(...args)),
    opAddInput: (op, handle, status) => inner.opAddInput(known(ops, op), known(handles, handle), status),
    deleteOp: (op) => inner.deleteOp(freed(ops, op)),
    execute: (op, results, count, status, done) =>
      inner.execute(known(ops, op), results, count, status, (error) => {
        given(results)
        done(error)
      }),
    executeAndWait: (op, results, ...rest) => {
      inner.executeAndWait(known(ops, op), results, ...rest)
      given(results)
    },
    newTensorHandle: (tensor, status) => made(handles, inner.newTensorHandle(known(tensors, tensor), status)),
    tensorHandleResolve: (handle, status) => made(tensors, inner.tensorHandleResolve(known(handles, handle), status)),
    deleteTensorHandle: (handle) => inner.deleteTensorHandle(freed(handles, handle)),
    allocateTensor: (...args) => made(tensors, inner.allocateTensor(...args)),
    deleteTensor: (tensor) => inner.deleteTensor(freed(tensors, tensor)),
    newBuffer: () => made(buffers, inner.newBuffer()),
    getAllOpList: () => made(buffers, inner.getAllOpList()),
    deleteBuffer: (buffer) => inner.deleteBuffer(freed(buffers, buffer)),
  }
  return {
    api,
    alive: () => ({
      handles: handles.size,
      tensors: tensors.size,
      ops: ops.size,
      statuses: statuses.size,
      buffers: buffers.size,
      functions: functions.size,
      contexts: contexts.size,
    }),
  }
}

/** The module c-api.ts with counts of each API that it opens, for vi.mock(). */
export const countedModule = (module: typeof CApi, onOpen: (api: CountedApi) => void): typeof CApi => ({
  ...module,
  openApi: (library) => {
    const one = counted(module.openApi(library))
    onOpen(one)
    return one.api
  },
})
