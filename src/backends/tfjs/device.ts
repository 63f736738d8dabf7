/** A tfjs backend for the runtime: buffers with reference counts, and on wasm and cpu their memory as typed arrays. */
import { elements, type DType } from '../../ir/types.ts'
import { hostArray, hostArrayOf, type HostArray } from '../backend.ts'
import { endOf, type End } from './end.ts'
import type { Opened } from './open.ts'
import { makeShapedIds, type WasmTensors } from './shaped-ids.ts'
import { copyOnDevice, isWebgpu } from './webgpu/shader.ts'
import { makeQueue, type Verdict } from './webgpu/submit.ts'
import type { DataId, KernelBackend, KernelFunc, TensorInfo, TfjsCore } from './tfjs-types.ts'

export interface Device {
  readonly kind: 'wasm' | 'cpu' | 'webgpu' | 'other'
  /** tfjs's name of the backend, under which its kernels are registered. */
  readonly name: string
  readonly tf: TfjsCore
  readonly backend: KernelBackend
  /** Null if JavaScript cannot access the memory; then 'host' lowerings do not run. */
  readonly host: HostMemory | null
  /** Whether elements can be read along any strides: by loops over memory, or in WGSL. */
  readonly movesElements: boolean
  kernel(name: string): KernelFunc | null
  /** Copies data to a new buffer. tfjs records the shape for it. */
  upload(data: HostArray, shape: readonly number[], dtype: DType): DataId
  /** Moves an array that has no other users to a new buffer. */
  place(data: HostArray, shape: readonly number[], dtype: DType): DataId
  download(dataId: DataId, dtype: DType): Promise<HostArray>
  /** Reads one element synchronously. */
  readScalar(dataId: DataId): number
  /** Changes the shape that tfjs-wasm records for a buffer, not its elements. */
  noteShape(dataId: DataId, shape: readonly number[]): void
  /** An id of the float32 buffer for one shape only, if tfjs needs one (shaped-ids.ts), else the buffer's own id. */
  shaped(dataId: DataId, shape: readonly number[]): DataId
  /** Is the buffer on this device? */
  holds(dataId: DataId): boolean
  retain(dataId: DataId): void
  /** Runs `work`, which calls kernels, and submits their commands together. `verdict` is the device's later report, if it makes one. */
  run<T>(work: () => T): { readonly value: T; readonly verdict?: Verdict }
  /** Waits until the device has completed all submitted work. */
  finish(): Promise<void>
  /** On WebGPU: selects tfjs's program for products for the next kernels (webgpu/product.ts). */
  chooseProduct(program: number): void
  /** Settles if the device is lost, or if tfjs disposes of its backend. */
  readonly end: End
  /** The largest buffer that a kernel can read. */
  readonly bindingBytesMax: number
  /** Another buffer with the same elements. If that is not possible, the buffer itself with one more reference. */
  copy(dataId: DataId, shape: readonly number[], dtype: DType): DataId
  /** False if this number of bytes cannot be allocated at once; true also if that is unknown. */
  hasRoom(bytes: number): boolean
  free(dataId: DataId): void
}

export interface HostMemory {
  /** A buffer with undefined content. */
  allocate(shape: readonly number[], dtype: DType): DataId
  /** The buffer's memory; invalid after the next allocation. */
  view(dataId: DataId, dtype: DType, length: number): HostArray
}

/** Half types are stored as float32. */
export const tfjsDtype = (dtype: DType): 'float32' | 'int32' | 'bool' =>
  dtype === 'int32' || dtype === 'bool' ? dtype : 'float32'

/** The device of an instance. All users of the instance share it, so that they can exchange buffers. */
export const deviceOf = (opened: Opened): Device => {
  const known = devices.get(opened.backend)
  if (known?.name === opened.name) return known
  const device = makeDevice(opened)
  devices.set(opened.backend, device)
  return device
}

const makeDevice = ({ tf, name, backend }: Opened): Device => {
  const kind = kindOf(backend)
  const end = endOf(backend)
  const queue = isWebgpu(backend) ? makeQueue(tf, backend) : null
  const kernels = new Map<string, KernelFunc | null>()
  const shapedIds = isWasm(backend) ? makeShapedIds(backend) : null
  const device: Device = {
    kind,
    name,
    tf,
    backend,
    movesElements: kind !== 'other',
    host: isWasm(backend) ? wasmMemory(backend) : isCpu(backend) ? cpuMemory(backend) : null,
    kernel: (kernel) => {
      const known = kernels.get(kernel)
      if (known !== undefined) return known
      const found = tf.getKernel(kernel, name)?.kernelFunc ?? null
      kernels.set(kernel, found)
      return found
    },
    // The cpu backend keeps the given array, so it gets a copy.
    upload: (data, shape, dtype) =>
      backend.write(kind === 'wasm' ? data : hostArrayOf(dtype, data), [...shape], tfjsDtype(dtype)),
    place: (data, shape, dtype) => backend.write(data, [...shape], tfjsDtype(dtype)),
    download: async (dataId, dtype) => hostArrayOf(dtype, await (queue?.read(dataId) ?? backend.read(dataId))),
    readScalar: (dataId) => backend.readSync(dataId)[0] ?? 0,
    noteShape: (dataId, shape) => {
      if (isWasm(backend)) backend.dataIdMap.get(dataId).shape = [...shape]
    },
    shaped: (dataId, shape) => shapedIds?.of(dataId, shape) ?? dataId,
    run: (work) => queue?.run(work) ?? { value: work() },
    finish: () => (isWebgpu(backend) ? backend.queue.onSubmittedWorkDone() : Promise.resolve()),
    chooseProduct: (program) => tf.env().set('WEBGPU_MATMUL_PROGRAM_TYPE', program),
    end,
    bindingBytesMax: isWebgpu(backend) ? backend.device.limits.maxStorageBufferBindingSize : Number.MAX_SAFE_INTEGER,
    copy: (dataId, shape, dtype) => {
      const size = elements(shape)
      if (isWebgpu(backend)) return copyOnDevice(backend, dataId, size, tfjsDtype(dtype))
      if (device.host === null) {
        backend.incRef(dataId)
        return dataId
      }
      const copy = device.host.allocate(shape, dtype)
      device.host.view(copy, dtype, size).set(device.host.view(dataId, dtype, size))
      return copy
    },
    holds: (dataId) => backend.refCount(dataId) > 0,
    retain: (dataId) => backend.incRef(dataId),
    hasRoom: (bytes) => !isWasm(backend) || hasWasmRoom(backend, bytes),
    free: (dataId) => {
      if (end.reason() !== null) return // its memory is already gone
      // Recorded commands may still use its memory, but commands that reuse it are recorded after them. tfjs would keep it until they are submitted.
      if (isWebgpu(backend) && backend.refCount(dataId) === 1) backend.commandQueueOwnedIds.delete(dataId)
      // Also if the buffer has other references: they may be the user's tensors, and effuse is not told when those are disposed of.
      shapedIds?.drop(dataId)
      // If the user disposed of a tensor while a run held its buffer, tfjs counts the buffer until it is removed here.
      if (backend.disposeData(dataId)) tf.engine().removeDataId(dataId, backend)
    },
  }
  tfjsDevices.add(device)
  return device
}

const kindOf = (backend: KernelBackend): Device['kind'] =>
  isWasm(backend) ? 'wasm' : isWebgpu(backend) ? 'webgpu' : isCpu(backend) ? 'cpu' : 'other'

const devices = new WeakMap<KernelBackend, Device>()
const tfjsDevices = new WeakSet<object>()
/** Is it a device of tfjs? Tensors of other backends have other devices. */
export const isDevice = (value: object): value is Device => tfjsDevices.has(value)

interface Wasm extends KernelBackend, WasmTensors {
  readonly wasm: WasmTensors['wasm'] & { _malloc(bytes: number): number; _free(address: number): void }
  typedArrayFromHeap(tensor: TensorInfo): HostArray
}
interface Cpu extends KernelBackend {
  makeTensorInfo(shape: number[], dtype: string, values: ArrayBufferView): TensorInfo
  readonly data: { get(dataId: DataId): { readonly values: HostArray } }
}
const isWasm = (backend: KernelBackend): backend is Wasm => 'typedArrayFromHeap' in backend && 'wasm' in backend
const isCpu = (backend: KernelBackend): backend is Cpu =>
  'makeTensorInfo' in backend && 'blockSize' in backend && 'data' in backend

/** tfjs does not check this: it would truncate a size of more than 32 bits, and write to the address 0 of a failed allocation. */
const hasWasmRoom = ({ wasm }: Wasm, bytes: number): boolean => {
  if (bytes >= 2 ** 32) return false
  const address = wasm._malloc(bytes)
  if (address === 0) return bytes === 0
  wasm._free(address)
  return true
}

const wasmMemory = (backend: Wasm): HostMemory => ({
  allocate: (shape, dtype) => backend.makeOutput([...shape], tfjsDtype(dtype)).dataId,
  view: (dataId, dtype, length) => backend.typedArrayFromHeap({ dataId, shape: [length], dtype: tfjsDtype(dtype) }),
})

const cpuMemory = (backend: Cpu): HostMemory => ({
  allocate: (shape, dtype) => {
    const values = hostArray(
      dtype,
      shape.reduce((a, b) => a * b, 1),
    )
    return backend.makeTensorInfo([...shape], tfjsDtype(dtype), values).dataId
  },
  view: (dataId) => backend.data.get(dataId).values,
})
