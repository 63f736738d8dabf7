/** A context of TensorFlow's eager runtime. Functions have names, tensors have handles. This file does not know the IR's graphs. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { nextTurn } from '#platform'
import { EffuseError, invariant } from '../../ir/diagnostics.ts'
import { type DType, elements, sizeBytes, type Type } from '../../ir/types.ts'
import type { HostArray, Numbers } from '../backend.ts'
import type { Pointer, TensorflowApi } from './c-api.ts'
import { decode, encode } from './content.ts'
import { TensorflowFailure } from './errors.ts'
import { functionConfig, type Threads } from './function-config.ts'
import {
  ConfigProtoSchema,
  DataType,
  type FunctionDef,
  FunctionDefSchema,
  type RunMetadata,
  RunMetadataSchema,
} from './proto/tensorflow_pb.ts'
import { dataTypes } from './types.ts'

export interface Device {
  readonly name: string
  /** 'CPU', 'GPU'. */
  readonly type: string
}

interface Call {
  /** Of a function, or of an op. */
  readonly name: string
  readonly operands: readonly Pointer[]
  readonly resultCount: number
  readonly isBrief?: boolean
  readonly setAttributes: (op: Pointer) => void
}

export class TensorflowContext {
  readonly api: TensorflowApi
  readonly devices: readonly Device[]
  /** Those that it was made with. */
  readonly threads: Threads
  readonly #context: Pointer
  readonly #status: Pointer
  #isDisposed = false
  #isClosed = false
  /** The number of running calls. The context must exist until the last one ends. */
  #calls = 0

  /** @throws TensorflowFailure */
  constructor(api: TensorflowApi, configuration: Threads & Parameters<typeof create<typeof ConfigProtoSchema>>[1]) {
    this.api = api
    this.threads = configuration
    this.#status = api.newStatus()
    const options = api.newContextOptions()
    try {
      const bytes = toBinary(ConfigProtoSchema, create(ConfigProtoSchema, configuration))
      api.contextOptionsSetConfig(options, bytes, bytes.length, this.#status)
      this.#check()
      this.#context = api.newContext(options, this.#status)
      this.#check()
    } finally {
      api.deleteContextOptions(options)
    }
    this.devices = this.#listDevices()
  }

  /** True if the context has no GPU. */
  get isCpu(): boolean {
    return this.devices.every(({ type }) => type !== 'GPU')
  }

  /** @throws TensorflowFailure */
  addFunction(definition: FunctionDef): void {
    this.#checkIsOpen()
    const bytes = toBinary(FunctionDefSchema, definition)
    this.api.contextAddFunctionDef(this.#context, bytes, bytes.length, this.#status)
    this.#check()
  }

  /** Reads the definition of a function back from TensorFlow. @throws TensorflowFailure */
  functionDef(name: string): FunctionDef {
    const buffer = this.api.newBuffer()
    try {
      this.api.contextGetFunctionDef(this.#context, name, buffer, this.#status)
      this.#check()
      return fromBinary(FunctionDefSchema, this.api.bufferBytes(buffer))
    } finally {
      this.api.deleteBuffer(buffer)
    }
  }

  removeFunction(name: string): void {
    if (!this.#isClosed) this.api.contextRemoveFunction(this.#context, name, this.#status)
  }

  /**
   * Calls a function. The caller owns the handles of the results. The call runs on a thread of libuv's pool; with `isBrief` it runs on this thread,
   * because for a function of a few numbers the switch to another thread takes longer than the call. @throws TensorflowFailure
   */
  async call(
    name: string,
    operands: readonly Pointer[],
    resultCount: number,
    isBrief = false,
  ): Promise<readonly Pointer[]> {
    const setAttributes = (op: Pointer): void =>
      this.api.opSetAttrString(op, 'config_proto', functionConfig, functionConfig.length)
    return this.#execute({ name, operands, resultCount, isBrief, setAttributes })
  }

  /** Makes numbers of a type from a tensor of bytes, on another thread. The caller owns the handle. @throws TensorflowFailure */
  async numbersOf(bytes: Pointer, dtype: DType): Promise<Pointer> {
    const setAttributes = (op: Pointer): void => {
      this.api.opSetAttrType(op, 'SrcT', DataType.DT_UINT8)
      this.api.opSetAttrType(op, 'DstT', dataTypes[dtype])
    }
    const [numbers] = await this.#execute({ name: 'Cast', operands: [bytes], resultCount: 1, setAttributes })
    return numbers as Pointer // one result
  }

  async #execute({ name, operands, resultCount, isBrief = false, setAttributes }: Call): Promise<readonly Pointer[]> {
    const { api } = this
    this.#checkIsOpen()
    const results = new Array<Pointer | null>(resultCount).fill(null)
    const count = [resultCount]
    await this.withStatus(async (status) => {
      const op = this.checked((own) => api.newOp(this.#context, name, own))
      try {
        for (const operand of operands) api.opAddInput(op, operand, this.#status)
        setAttributes(op)
        this.#check()
        if (isBrief) api.executeAndWait(op, results, count, status)
        else {
          // The work before the call and the call itself take milliseconds each, so the event loop runs between them.
          await nextTurn()
          await new Promise<void>((resolve, reject) => {
            api.execute(op, results, count, status, (error) => (error === null ? resolve() : reject(error)))
          })
        }
      } finally {
        api.deleteOp(op)
      }
    })
    return results.map((handle, i) => {
      invariant(handle !== null && handle !== 0n, () => `${name} gave no result ${i}`)
      return handle
    })
  }

  /**
   * Runs `work` and returns what TensorFlow recorded of its calls: kernels with their times, and the optimised graphs of the functions.
   *
   * @throws TensorflowFailure
   */
  async traced(work: () => Promise<void>): Promise<RunMetadata> {
    const { api } = this
    const buffer = api.newBuffer()
    api.contextEnableRunMetadata(this.#context)
    try {
      await work()
      api.contextExportRunMetadata(this.#context, buffer, this.#status)
      this.#check()
      return fromBinary(RunMetadataSchema, api.bufferBytes(buffer))
    } finally {
      api.contextDisableRunMetadata(this.#context)
      api.deleteBuffer(buffer)
    }
  }

  /** Copies host data to a new tensor. @throws TensorflowFailure */
  upload(data: Numbers, type: Type): Pointer {
    return this.#upload(encode(type.dtype, data), dataTypes[type.dtype], type.shape, sizeBytes(type))
  }

  /** Copies bytes to a new tensor, which has the type of bytes. @throws TensorflowFailure */
  uploadBytes(bytes: Uint8Array | Uint8ClampedArray, shape: readonly number[]): Pointer {
    return this.#upload(bytes, DataType.DT_UINT8, shape, elements(shape))
  }

  #upload(data: ArrayBufferView, type: DataType, shape: readonly number[], size: number): Pointer {
    const { api } = this
    this.#checkIsOpen()
    const tensor = api.allocateTensor(type, BigInt64Array.from(shape, BigInt), shape.length, size)
    if (tensor === 0n) throw new TensorflowFailure({ code: 8, message: `no memory for a tensor of ${size} bytes` })
    try {
      api.writeTensor(tensor, data)
      return this.handleOf(tensor)
    } finally {
      api.deleteTensor(tensor)
    }
  }

  /** The tensor of a handle. The caller deletes it. @throws TensorflowFailure */
  resolve(handle: Pointer): Pointer {
    this.#checkIsOpen()
    return this.checked((status) => this.api.tensorHandleResolve(handle, status))
  }

  /** A new handle of a tensor. The caller frees it. @throws TensorflowFailure */
  handleOf(tensor: Pointer): Pointer {
    this.#checkIsOpen()
    return this.checked((status) => this.api.newTensorHandle(tensor, status))
  }

  /** Calls a function of the C API with a status, checks the status, and returns the function's result. @throws TensorflowFailure */
  checked<T>(work: (status: Pointer) => T): T {
    const value = work(this.#status)
    this.#check()
    return value
  }

  /** The same for a function that runs on another thread. It gets a status of its own. @throws TensorflowFailure */
  async withStatus(work: (status: Pointer) => Promise<void>): Promise<void> {
    const status = this.api.newStatus()
    this.#calls++
    try {
      await work(status)
      this.#checkStatus(status)
    } finally {
      this.api.deleteStatus(status)
      this.#calls--
      if (this.#isDisposed) this.#close()
    }
  }

  /** Copies a tensor to the host. @throws TensorflowFailure */
  download(handle: Pointer, { dtype, shape }: Type): HostArray {
    const { api } = this
    const tensor = this.resolve(handle)
    try {
      return decode(dtype, elements(shape), (to) => api.readTensor(tensor, to))
    } finally {
      api.deleteTensor(tensor)
    }
  }

  /** Frees a handle. Does nothing if the context is deleted, because that has freed all handles. */
  free(handle: Pointer): void {
    if (!this.#isClosed) this.api.deleteTensorHandle(handle)
  }

  /** Deletes the context when all running calls have ended. */
  dispose(): void {
    this.#isDisposed = true
    this.#close()
  }

  #close(): void {
    if (this.#isClosed || this.#calls > 0) return
    this.#isClosed = true
    this.api.deleteContext(this.#context)
    this.api.deleteStatus(this.#status)
  }

  #checkIsOpen(): void {
    if (this.#isDisposed)
      throw new EffuseError({
        code: 'EF406',
        message: 'the TensorFlow backend was disposed of',
        hint: 'open another one by createTensorflowBackend()',
      })
  }

  #listDevices(): readonly Device[] {
    const list = this.api.contextListDevices(this.#context, this.#status)
    this.#check()
    try {
      return Array.from({ length: this.api.deviceListCount(list) }, (_, i) => ({
        name: this.api.deviceListName(list, i, this.#status),
        type: this.api.deviceListType(list, i, this.#status),
      }))
    } finally {
      this.api.deleteDeviceList(list)
    }
  }

  #check(): void {
    this.#checkStatus(this.#status)
  }

  #checkStatus(status: Pointer): void {
    const code = this.api.getCode(status)
    if (code !== 0) throw new TensorflowFailure({ code, message: this.api.message(status) })
  }
}
