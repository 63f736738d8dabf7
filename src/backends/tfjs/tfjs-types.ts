/**
 * The parts of tfjs that effuse uses, as types. They are declared here, so that effuse's public types refer to no other package.
 */

/** A key of the backend's table of buffers. */
export type DataId = object

/** A tensor as kernels see it: a buffer, and the shape in which the caller wants it read. */
export interface TensorInfo {
  dataId: DataId
  shape: number[]
  dtype: string
}

/** An instance of a tfjs-core backend (BackendWasm, MathBackendCPU …). */
export interface KernelBackend {
  /** The number of references; 0 if the backend does not have the data. */
  refCount(dataId: DataId): number
  incRef(dataId: DataId): void
  disposeData(dataId: DataId, force?: boolean): boolean
  numDataIds(): number
  write(values: ArrayBufferView | null, shape: number[], dtype: string): DataId
  read(dataId: DataId): Promise<ArrayLike<number>>
  readSync(dataId: DataId): ArrayLike<number>
  /** Frees everything; tfjs calls it. */
  dispose(): void
}

/** Inputs are named, or a list (Concat). */
export interface KernelArgs {
  readonly inputs: { readonly [name: string]: TensorInfo } | readonly TensorInfo[]
  readonly attrs: object
  readonly backend: KernelBackend
}
export type KernelFunc = (args: KernelArgs) => TensorInfo | TensorInfo[]

export interface KernelConfig {
  readonly kernelName: string
  readonly setupFunc?: ((backend: KernelBackend) => void) | undefined
  readonly kernelFunc: KernelFunc
}

export type TfjsFactory = () => KernelBackend | Promise<KernelBackend>

export interface TfjsEngine {
  readonly registry: { [name: string]: KernelBackend }
  readonly registryFactory: { [name: string]: { factory: TfjsFactory; priority: number } }
  makeTensorFromTensorInfo(info: TensorInfo, backend: KernelBackend): object
  /** Removes a freed buffer from tfjs's table, if it is there. */
  removeDataId(dataId: DataId, backend: KernelBackend): void
}

/** tfjs's settings, for all of the process. */
export interface TfjsFlags {
  get(flag: string): number | boolean | string
  set(flag: string, value: number | boolean | string): void
}

/** The exports of @tensorflow/tfjs-core in use. */
export interface TfjsCore {
  readonly version_core: string
  engine(): TfjsEngine
  env(): TfjsFlags
  getKernel(name: string, backend: string): KernelConfig | undefined
  getKernelsForBackend(backend: string): readonly KernelConfig[]
  registerBackend(name: string, factory: TfjsFactory, priority: number): boolean
}

/** The place of the .wasm files: a folder, or a path for each file. */
export type WasmPaths = string | { readonly [file: string]: string }
