/**
 * The little of tfjs that effuse uses, by shape. Declared here so that effuse's public types name no other package, and none has to be installed.
 */

/** A key of the backend's table of buffers. */
export type DataId = object

/** A tensor as kernels see it: who holds it, and how the caller wants its shape read. */
export interface TensorInfo {
  dataId: DataId
  shape: number[]
  dtype: string
}

/** An instance of a tfjs-core backend (BackendWasm, MathBackendCPU …). */
export interface KernelBackend {
  /** 0 where the data lives elsewhere. */
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
  /** Forgets a buffer that is gone; nothing where it knows none. */
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

/** Where the .wasm files lie: a folder, or a path for each file. */
export type WasmPaths = string | { readonly [file: string]: string }
