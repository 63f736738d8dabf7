/**
 * TensorFlow's C API (tensorflow/c/c_api.h, c/eager/c_api.h), as far as effuse calls it, through koffi. The library is the one that tfjs-node links,
 * so both run in one process. This file does not know the IR.
 */
import { closeSync, fstatSync, openSync } from 'node:fs'
import { EffuseError } from '../../ir/diagnostics.ts'
import { hintFor, loadKoffi, type TensorflowLibrary } from './find-library.ts'
import { oneDnnDefaults } from './one-dnn.ts'
import { bindSession, type SessionApi } from './session-api.ts'
import { separatePools } from './thread-pools.ts'

/** An address in the library's memory; 0n is null. */
export type Pointer = bigint

/** A call that runs on a thread of libuv's pool, so it does not block the event loop. */
type Async<Args extends readonly unknown[]> = (...args: [...Args, (error: Error | null) => void]) => void

type ExecuteArgs = readonly [op: Pointer, results: (Pointer | null)[], count: number[], status: Pointer]

/** The functions, under their names in the C API without the prefix. */
export interface TensorflowApi {
  readonly version: string
  /** Each context has threads of its own for the work inside an op. */
  readonly hasSeparatePools: boolean
  /** Settings of the whole process. Absent where the library does not export the function; stock libraries may not. */
  readonly setTf32?: ((isOn: boolean) => void) | undefined
  readonly setDeterminism?: ((isOn: boolean) => void) | undefined
  /** Functions for sessions. The first call binds them. */
  session(): SessionApi
  newStatus(): Pointer
  deleteStatus(status: Pointer): void
  getCode(status: Pointer): number
  message(status: Pointer): string
  newContextOptions(): Pointer
  contextOptionsSetConfig(options: Pointer, proto: Uint8Array, size: number, status: Pointer): void
  deleteContextOptions(options: Pointer): void
  newContext(options: Pointer, status: Pointer): Pointer
  deleteContext(context: Pointer): void
  contextListDevices(context: Pointer, status: Pointer): Pointer
  deviceListCount(list: Pointer): number
  deviceListName(list: Pointer, index: number, status: Pointer): string
  deviceListType(list: Pointer, index: number, status: Pointer): string
  deleteDeviceList(list: Pointer): void
  contextAddFunctionDef(context: Pointer, proto: Uint8Array, size: number, status: Pointer): void
  /** Writes the FunctionDef into the buffer, as bytes. */
  contextGetFunctionDef(context: Pointer, name: string, buffer: Pointer, status: Pointer): void
  contextRemoveFunction(context: Pointer, name: string, status: Pointer): void
  newOp(context: Pointer, name: string, status: Pointer): Pointer
  opAddInput(op: Pointer, handle: Pointer, status: Pointer): void
  opSetAttrString(op: Pointer, name: string, value: Uint8Array, size: number): void
  opSetAttrType(op: Pointer, name: string, type: number): void
  deleteOp(op: Pointer): void
  execute: Async<ExecuteArgs>
  /** The same on the calling thread. It blocks until the op has run. */
  executeAndWait(...args: ExecuteArgs): void
  newTensorHandle(tensor: Pointer, status: Pointer): Pointer
  tensorHandleResolve(handle: Pointer, status: Pointer): Pointer
  deleteTensorHandle(handle: Pointer): void
  allocateTensor(type: number, dimensions: BigInt64Array, rank: number, bytes: number): Pointer
  deleteTensor(tensor: Pointer): void
  /** Copies an array to the tensor's memory. @throws RangeError if the sizes differ */
  writeTensor(tensor: Pointer, from: ArrayBufferView): void
  /** Copies the tensor's memory to an array. @throws RangeError if the sizes differ */
  readTensor(tensor: Pointer, to: ArrayBufferView): void
  contextEnableRunMetadata(context: Pointer): void
  contextDisableRunMetadata(context: Pointer): void
  /** The metadata of the runs since it was enabled, as bytes of RunMetadata. */
  contextExportRunMetadata(context: Pointer, buffer: Pointer, status: Pointer): void
  newBuffer(): Pointer
  deleteBuffer(buffer: Pointer): void
  bufferBytes(buffer: Pointer): Uint8Array<ArrayBuffer>
  /** A buffer with the definitions of all ops, as bytes of OpList. */
  getAllOpList(): Pointer
}

/** Opens the library and binds the functions. @throws EffuseError EF404 if it is not TensorFlow, or lacks a function. */
export const openApi = (found: TensorflowLibrary): TensorflowApi => {
  const koffi = loadKoffi()
  try {
    // TensorFlow reads them when it starts. Values that the user has set stay. Each call reports its errors by a status, so TensorFlow need not print them.
    setDefaults(koffi, { TF_CPP_MIN_LOG_LEVEL: '3', TF_FORCE_GPU_ALLOW_GROWTH: 'true', ...oneDnnDefaults })
    const pools = separatePools(koffi, found.framework)
    quietly(koffi, () => pin(koffi, [found.framework, found.main]))
    keepFreedMemory(koffi)
    const framework = koffi.load(found.framework, { lazy: true, global: true })
    const bound = bind(koffi, koffi.load(found.main, { lazy: true }))
    const newContext: TensorflowApi['newContext'] = (options, status) => {
      const context = bound.newContext(options, status)
      pools.contextMade()
      return context
    }
    return { ...bound, newContext, hasSeparatePools: pools.areSeparate, ...processSettings(framework) }
  } catch (error) {
    throw new EffuseError({
      code: 'EF404',
      message: `${found.main} cannot be used as TensorFlow: ${error instanceof Error ? error.message : String(error)}`,
      hint: hintFor(found),
      cause: error,
    })
  }
}

/** Sets environment variables that have no value yet. It calls setenv(), because in worker threads of Node process.env is only a copy. */
const setDefaults = (koffi: Koffi, values: { readonly [name: string]: string }): void => {
  const setenv = koffi.load(null).func('int setenv(str, str, int)')
  for (const [name, value] of Object.entries(values)) setenv(name, value, 0)
}

/** M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h. */
const mallocOptions = { trimThreshold: -1, mmapThreshold: -3 } as const

/**
 * Lets glibc keep memory that TensorFlow frees. By default glibc returns large blocks to the system, and the next run has to get new pages. This costs
 * about 4 % of a training step of EfficientNet-B0. Other C libraries have no mallopt().
 */
const keepFreedMemory = (koffi: Koffi): void => {
  try {
    const mallopt = koffi.load(null).func('int mallopt(int, int)')
    mallopt(mallocOptions.mmapThreshold, 2 ** 30)
    mallopt(mallocOptions.trimThreshold, 2 ** 31 - 1)
  } catch {
    // not glibc
  }
}

type Koffi = ReturnType<typeof loadKoffi>
type Library = ReturnType<Koffi['load']>

/** RTLD_LAZY, RTLD_GLOBAL and RTLD_NODELETE of dlfcn.h. */
const dlopenFlags = process.platform === 'darwin' ? 0x1 | 0x8 | 0x80 : 0x1 | 0x100 | 0x1000

/** Keeps the libraries in memory until the process ends. At its end Node unloads what koffi has loaded, while TensorFlow's threads still run. */
const pin = (koffi: Koffi, paths: readonly string[]): void => {
  const dlopen = koffi.load(null).func('void* dlopen(str, int)')
  for (const path of paths) dlopen(path, dlopenFlags)
}

/**
 * Runs `work` with stderr redirected to /dev/null. While TensorFlow loads, it prints a message about oneDNN there, at any TF_CPP_MIN_LOG_LEVEL. Errors of
 * loading are not lost: dlopen() returns them. With TF_CPP_MIN_LOG_LEVEL=0 stderr stays open.
 */
const quietly = (koffi: Koffi, work: () => void): void => {
  if (process.env['TF_CPP_MIN_LOG_LEVEL'] === '0') {
    work()
    return
  }
  const libc = koffi.load(null)
  const dup = libc.func('int dup(int)')
  const dup2 = libc.func('int dup2(int, int)')
  const close = libc.func('int close(int)')
  const stderr: number = dup(2)
  const nowhere = openSync('/dev/null', 'w')
  // Another thread loads TensorFlow at this moment and has redirected stderr. That thread will restore it.
  const isClosed = fstatSync(stderr).rdev === fstatSync(nowhere).rdev
  if (!isClosed) dup2(nowhere, 2)
  try {
    work()
  } finally {
    if (!isClosed) dup2(stderr, 2)
    closeSync(nowhere)
    close(stderr) // libc's function, because node:fs did not open this descriptor
  }
}

/** The oldest version that the lowerings support. It is the one that tfjs-node downloads. */
const versionLeast = [2, 9] as const

const checkVersion = (version: string): void => {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major === versionLeast[0] && minor >= versionLeast[1]) return
  throw new Error(`it is version ${version}, and a version from ${versionLeast.join('.')} up to the last 2.x is needed`)
}

/** Finds C++ functions by their mangled names. Their namespace is tsl since TensorFlow 2.12, and tensorflow before. */
const processSettings = (library: Library): Pick<TensorflowApi, 'setTf32' | 'setDeterminism'> => {
  const find = (...names: readonly string[]): ((isOn: boolean) => void) | undefined => {
    for (const name of names)
      try {
        return library.func(`void ${name}(bool)`)
      } catch {
        // The function is in the other namespace, or the library does not export it.
      }
    return undefined
  }
  return {
    setTf32: find('_ZN3tsl32enable_tensor_float_32_executionEb', '_ZN10tensorflow32enable_tensor_float_32_executionEb'),
    setDeterminism: find('_ZN3tsl19EnableOpDeterminismEb', '_ZN10tensorflow19EnableOpDeterminismEb'),
  }
}

const bind = (
  koffi: Koffi,
  library: Library,
): Omit<TensorflowApi, 'setTf32' | 'setDeterminism' | 'hasSeparatePools'> => {
  const f = (declaration: string) => library.func(declaration)
  const version = f('str TF_Version()') as () => string
  checkVersion(version())
  const execute = f('void TFE_Execute(void*, _Out_ void**, _Inout_ int*, void*)')
  const { writeTensor, readTensor } = bindCopies(koffi, library)
  let session: SessionApi | null = null
  const bufferType = koffi.struct({ data: 'void*', length: 'size_t', deallocator: 'void*' })
  return {
    version: version(),
    session: () => {
      session ??= bindSession(koffi, library)
      return session
    },
    newStatus: f('void* TF_NewStatus()'),
    deleteStatus: f('void TF_DeleteStatus(void*)'),
    getCode: f('int TF_GetCode(void*)'),
    message: f('str TF_Message(void*)'),
    newContextOptions: f('void* TFE_NewContextOptions()'),
    contextOptionsSetConfig: f('void TFE_ContextOptionsSetConfig(void*, void*, size_t, void*)'),
    deleteContextOptions: f('void TFE_DeleteContextOptions(void*)'),
    newContext: f('void* TFE_NewContext(void*, void*)'),
    deleteContext: f('void TFE_DeleteContext(void*)'),
    contextListDevices: f('void* TFE_ContextListDevices(void*, void*)'),
    deviceListCount: f('int TF_DeviceListCount(void*)'),
    deviceListName: f('str TF_DeviceListName(void*, int, void*)'),
    deviceListType: f('str TF_DeviceListType(void*, int, void*)'),
    deleteDeviceList: f('void TF_DeleteDeviceList(void*)'),
    contextAddFunctionDef: f('void TFE_ContextAddFunctionDef(void*, void*, size_t, void*)'),
    contextGetFunctionDef: f('void TFE_ContextGetFunctionDef(void*, str, void*, void*)'),
    contextRemoveFunction: f('void TFE_ContextRemoveFunction(void*, str, void*)'),
    newOp: f('void* TFE_NewOp(void*, str, void*)'),
    opAddInput: f('void TFE_OpAddInput(void*, void*, void*)'),
    opSetAttrString: f('void TFE_OpSetAttrString(void*, str, void*, size_t)'),
    opSetAttrType: f('void TFE_OpSetAttrType(void*, str, int)'),
    deleteOp: f('void TFE_DeleteOp(void*)'),
    execute: (...args) => execute.async(...args),
    executeAndWait: execute,
    newTensorHandle: f('void* TFE_NewTensorHandle(void*, void*)'),
    tensorHandleResolve: f('void* TFE_TensorHandleResolve(void*, void*)'),
    deleteTensorHandle: f('void TFE_DeleteTensorHandle(void*)'),
    allocateTensor: f('void* TF_AllocateTensor(int, int64_t*, int, size_t)'),
    deleteTensor: f('void TF_DeleteTensor(void*)'),
    writeTensor,
    readTensor,
    contextEnableRunMetadata: f('void TFE_ContextEnableRunMetadata(void*)'),
    contextDisableRunMetadata: f('void TFE_ContextDisableRunMetadata(void*)'),
    contextExportRunMetadata: f('void TFE_ContextExportRunMetadata(void*, void*, void*)'),
    newBuffer: f('void* TF_NewBuffer()'),
    deleteBuffer: f('void TF_DeleteBuffer(void*)'),
    getAllOpList: f('void* TF_GetAllOpList()'),
    bufferBytes: (buffer) => {
      const { data, length } = koffi.decode(buffer, bufferType) as { data: Pointer; length: number }
      return new Uint8Array(koffi.view(data, length)).slice()
    },
  }
}

/**
 * Copies by libc's memcpy(). An ArrayBuffer on the tensor's memory would do as well, but V8 counts its size as memory of its own, and large feeds of
 * each run would make it collect garbage in every second run.
 */
const bindCopies = (koffi: Koffi, library: Library): Pick<TensorflowApi, 'writeTensor' | 'readTensor'> => {
  const tensorData = library.func('void* TF_TensorData(void*)') as (tensor: Pointer) => Pointer
  const byteSize = library.func('size_t TF_TensorByteSize(void*)') as (tensor: Pointer) => number | bigint
  const memcpy = koffi.load(null).func('void* memcpy(void*, void*, size_t)')
  const checkSize = (tensor: Pointer, { byteLength }: ArrayBufferView): void => {
    const size = Number(byteSize(tensor))
    if (size !== byteLength) throw new RangeError(`a tensor of ${size} bytes, and an array of ${byteLength} bytes`)
  }
  return {
    writeTensor: (tensor, from) => {
      checkSize(tensor, from)
      memcpy(tensorData(tensor), from, from.byteLength)
    },
    readTensor: (tensor, to) => {
      checkSize(tensor, to)
      memcpy(to, tensorData(tensor), to.byteLength)
    },
  }
}
