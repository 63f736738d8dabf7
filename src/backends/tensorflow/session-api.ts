/** Sessions of TensorFlow's C API. Unlike calls of functions, they record the time of each kernel. */
import type { Pointer } from './c-api.ts'
import type { loadKoffi } from './find-library.ts'

type Koffi = ReturnType<typeof loadKoffi>
type Library = ReturnType<Koffi['load']>

/** A result of an operation (TF_Output). */
export interface Output {
  readonly oper: Pointer
  readonly index: number
}

/** The functions, under their names in the C API without the prefix. */
export interface SessionApi {
  newGraph(): Pointer
  deleteGraph(graph: Pointer): void
  newImportGraphDefOptions(): Pointer
  deleteImportGraphDefOptions(options: Pointer): void
  graphImportGraphDef(graph: Pointer, definition: Pointer, options: Pointer, status: Pointer): void
  graphOperationByName(graph: Pointer, name: string): Pointer
  newSessionOptions(): Pointer
  setConfig(options: Pointer, proto: Uint8Array, size: number, status: Pointer): void
  deleteSessionOptions(options: Pointer): void
  newSession(graph: Pointer, options: Pointer, status: Pointer): Pointer
  closeSession(session: Pointer, status: Pointer): void
  deleteSession(session: Pointer, status: Pointer): void
  newBufferFromString(bytes: Uint8Array, size: number): Pointer
  /** Runs on a thread of libuv's pool, and fills `results`. */
  run(call: {
    readonly session: Pointer
    readonly options: Pointer
    readonly inputs: readonly Output[]
    readonly tensors: readonly Pointer[]
    readonly outputs: readonly Output[]
    readonly results: (Pointer | null)[]
    readonly metadata: Pointer
    readonly status: Pointer
  }): Promise<void>
}

export const bindSession = (koffi: Koffi, library: Library): SessionApi => {
  const f = (declaration: string) => library.func(declaration)
  // The struct has no name, because koffi keeps the names of types for the whole process.
  const outputs = koffi.pointer(koffi.struct({ oper: 'void*', index: 'int' }))
  const results = koffi.out('void**')
  const run = library.func('TF_SessionRun', 'void', [
    ...['void*', 'void*', outputs, 'void**', 'int', outputs, results, 'int'],
    ...['void*', 'int', 'void*', 'void*'],
  ])
  return {
    newGraph: f('void* TF_NewGraph()'),
    deleteGraph: f('void TF_DeleteGraph(void*)'),
    newImportGraphDefOptions: f('void* TF_NewImportGraphDefOptions()'),
    deleteImportGraphDefOptions: f('void TF_DeleteImportGraphDefOptions(void*)'),
    graphImportGraphDef: f('void TF_GraphImportGraphDef(void*, void*, void*, void*)'),
    graphOperationByName: f('void* TF_GraphOperationByName(void*, str)'),
    newSessionOptions: f('void* TF_NewSessionOptions()'),
    setConfig: f('void TF_SetConfig(void*, void*, size_t, void*)'),
    deleteSessionOptions: f('void TF_DeleteSessionOptions(void*)'),
    newSession: f('void* TF_NewSession(void*, void*, void*)'),
    closeSession: f('void TF_CloseSession(void*, void*)'),
    deleteSession: f('void TF_DeleteSession(void*, void*)'),
    newBufferFromString: f('void* TF_NewBufferFromString(void*, size_t)'),
    run: ({ session, options, inputs, tensors, outputs, results, metadata, status }) =>
      new Promise((resolve, reject) =>
        run.async(
          ...[session, options, inputs, tensors, inputs.length, outputs, results, outputs.length, null, 0],
          ...[metadata, status],
          (error: Error | null) => (error === null ? resolve() : reject(error)),
        ),
      ),
  }
}
