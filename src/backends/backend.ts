/**
 * The interface between the compiler and backends. A backend gets the whole program. How it runs the program is its own decision: op by op (tfjs),
 * as one graph (TensorFlow), or by generated kernels (wasm, WebGPU).
 *
 * `V` is a backend's value for a tensor on its device: an array, a tensor id, a buffer. The compiler only passes it through.
 */
import { roundTo } from '../ir/rounding.ts'
import type { TargetInfo } from '../ir/target.ts'
import type { DType, Type } from '../ir/types.ts'
import type { Pass } from '../passes/pass.ts'
import { type Program, type GraphStep, graphSteps } from '../passes/program.ts'
import type { WebAbortSignal } from '../ir/web-types.ts'

/** Data on the host, row-major. Half types are stored as float32, which is exact. */
export type HostArray = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>
export interface HostTensor {
  readonly type: Type
  readonly data: HostArray
}
/** Numbers in an array of the user. Bytes may stand for numbers of any type. */
export type Numbers = Float32Array | Int32Array | Uint8Array | Uint8ClampedArray

/**
 * The values of variables on a device. Everything that reads or changes them takes a turn. Turns run one after another, in the order of their calls.
 * Several executables of one backend may use one store.
 */
export interface Store<V = unknown> {
  /** Identity of the device with the values. */
  readonly device: object
  has(name: string): boolean
  typeOf(name: string): Type | null
  /** Adds a variable. `initial` is called when the value is first needed, and not if the variable is written before. */
  declare(name: string, type: Type, initial: () => HostArray): void
  /** Adds a value that programs derive from variables, or another user of it. It is stale until a run writes it. */
  declareDerived(name: string, type: Type, sources: readonly string[]): void
  /** Removes a user of each value. A value is freed with its last user. */
  releaseDerived(names: readonly string[]): void
  /**
   * Runs `work` when all earlier turns have ended. The turn ends together with `work`. All its commands are submitted to the device by then, in
   * order, but results may still be pending. Inside a turn `work` uses the store only through its argument; a turn on the same store inside a turn
   * would wait for itself. @throws EffuseError EF406 after dispose()
   */
  turn<T>(work: (turn: StoreTurn<V>) => T | Promise<T>): Promise<T>
  /** A turn that reads variables, all at the same moment. @throws EffuseError EF407 */
  read(names: Iterable<string>): Promise<ReadonlyMap<string, HostArray>>
  /** A turn that writes all of the variables or none. Copies at the call. The caller checks the types. @throws EffuseError EF407 */
  write(values: ReadonlyMap<string, HostArray>): Promise<void>
  /** Frees the values when all earlier turns have ended. */
  dispose(): void
}

/** The operations of a turn. They must not be called after the turn. */
export interface StoreTurn<V = unknown> {
  /** The value on the device, made from the initial one on first use. The store still owns it. @throws EffuseError EF407 */
  valueOf(name: string): V
  /** Reads the present values. Later writes, also of this turn, do not affect the result. @throws EffuseError EF407 */
  read(names: Iterable<string>): Promise<ReadonlyMap<string, HostArray>>
  /** Writes all values or none. @throws EffuseError EF407 */
  write(values: ReadonlyMap<string, HostArray>): void
  /** Writes values on the device, which the store then owns. Derived ones get the versions that their sources had before this write. */
  commit(values: ReadonlyMap<string, V>): void
  /** The version increases with each change of the variable. @throws EffuseError EF407 */
  versionOf(name: string): number
  /** The version increases with each change of any variable. */
  storeVersion(): number
  /** Has the derived value not been made yet, or have its sources changed since? @throws EffuseError EF407 */
  isStale(name: string): boolean
}

/** A tensor on the device: a result of a run, or a tensor of the user's program. */
export interface DeviceTensor<V = unknown> {
  readonly type: Type
  /** Identity of its device. Only backends of that device accept it as a feed. */
  readonly device: object
  readonly native: V
  read(): Promise<HostArray>
  /** Another handle of the same memory, which is freed when all handles are disposed of. */
  share(): DeviceTensor<V>
  dispose(): void
}

/** A feed of a run: host data, which the run then owns, or a tensor on the backend's device. */
export type FeedTensor<V = unknown> =
  | { readonly type: Type; readonly host: HostArray }
  | { readonly type: Type; readonly tensor: DeviceTensor<V> }

/** Combines host data over the replicas of a run. All replicas call it with the same tensors in the same order, and get the same results. */
export interface Communicator {
  allReduce(reduce: 'sum' | 'and', values: readonly HostTensor[]): Promise<readonly HostArray[]>
}

/** The position of a run in the random streams and among the replicas. */
export interface RunContext {
  readonly seed: number
  readonly runIndex: number
  /** 0 to `replicas` - 1. */
  readonly replica: number
  /** The number of simultaneous runs of the program with other feeds; default 1. */
  readonly replicas?: number | undefined
  /** Required if there are several replicas and the program has collectives. */
  readonly communicator?: Communicator | undefined
}

/** A program bound to a store. */
export interface Runnable<V = unknown> {
  /**
   * Runs steps of the program in order, inside a turn on its store. A step sees the updates of the steps before it; all updates are committed
   * together at the end. A failed run does not change the variables. Feeds are by input name, results by output name; if two steps have results of
   * the same name, the later one counts.
   */
  run(
    turn: StoreTurn<V>,
    steps: readonly string[],
    feeds: ReadonlyMap<string, FeedTensor<V>>,
    at: RunContext,
  ): Promise<ReadonlyMap<string, DeviceTensor<V>>>
  /** A normal run, timed kernel by kernel if the backend can do so. */
  profile(
    turn: StoreTurn<V>,
    steps: readonly string[],
    feeds: ReadonlyMap<string, FeedTensor<V>>,
    at: RunContext,
  ): Promise<readonly ProfileRow[]>
  /** The figures of the steps in stepsOfRun(), for `executable.plan`. */
  readonly plan: PlanFigures
  /** The backend's decisions for the whole program, each with its reason, for explain(). */
  readonly notes?: readonly string[] | undefined
  dispose(): void
}

/**
 * Figures of a plan. For several steps: the sums of kernels and dispatches, and the bytes of the largest step, because steps run one after another.
 * Null: the backend does not know the figure.
 */
export interface PlanFigures {
  readonly kernels: number
  readonly dispatches: number
  /** The maximum of bytes that inputs, intermediates and results use at a time. */
  readonly peakBytes: number | null
  /** Bytes of all arenas; null also if each value has its own buffer. */
  readonly arenaBytes: number | null
  /** The maximum of bytes alive at a time in the chosen order, without variables and constants (docs/passes.md, "Order and memory"). */
  readonly lowerBoundBytes: number | null
}

export interface ProfileRow {
  readonly path: string
  readonly op: string
  readonly kernel: string
  readonly ms: number
}

/** The part of `xla` for targets that XLA compiles for: `auto` where it is known to pay. */
export const xlaChoices = ['auto', 'always', 'never'] as const
export type XlaChoice = (typeof xlaChoices)[number]

export const precisions = ['float32', 'tf32'] as const
export type Precision = (typeof precisions)[number]

export interface CompileContext {
  /** The store's name for a variable of the program. In a shared store it may differ (averages, derived values). */
  readonly nameOf: (variable: string) => string
  /** Default 'auto'. Backends without XLA ignore it. */
  readonly xla?: XlaChoice | undefined
  /** Default 'float32'. Machines without TF32 ignore it. */
  readonly precision?: Precision | undefined
  /** Default true. Backends whose runs are always equal ignore it. */
  readonly deterministic?: boolean | undefined
  readonly signal?: WebAbortSignal | undefined
  readonly onProgress?:
    | ((progress: { readonly stage: string; readonly done: number; readonly total: number }) => void)
    | undefined
}

/** Compiles programs for a device. */
export interface Engine<V = unknown> {
  readonly target: TargetInfo
  /** The backend's passes between AMP and simplify: decompositions. */
  readonly legalize: readonly Pass[]
  /** The backend's fusion passes, after hoistPrepare; they run only with `xla`. */
  readonly fuse: readonly Pass[]
  /** Compiles the program for a store of the same backend, in which its variables are declared. @throws EffuseError EF405 */
  compile(program: Program, store: Store<V>, cx: CompileContext): Promise<Runnable<V>>
}

/** The reason for the loss of a device. */
export interface DeviceLoss {
  readonly reason: string
}

export interface Backend<V = unknown> extends Engine<V> {
  /** 'reference', 'tfjs-wasm' … */
  readonly name: string
  /** Identity of the device. Backends of the same device can share stores and tensors. */
  readonly device: object
  /** Identifies everything that a tuned schedule depends on: device, driver, versions. Equal fingerprints may share schedules. */
  readonly fingerprint: string
  /** Settles when the device is lost; never if that cannot happen. Pending calls then fail instead of waiting forever. */
  readonly lost: Promise<DeviceLoss>
  /** An engine that emulates half types by rounding after each op, for `amp: { emulate: true }`. Absent if the device has them or cannot round. */
  readonly emulatingHalf?: Engine<V> | undefined
  createStore(): Store<V>
  /** Wraps a tensor of the user's program for feeding without a copy; null if it is not on this device. The caller disposes of it. */
  adopt(tensor: object, type: Type): DeviceTensor<V> | null
  /**
   * Copies numbers of a feed to the device during the call. Null: a host array suits the backend better. Absent: always null. The caller disposes of the
   * tensor, and does nothing else with it but to feed it.
   */
  upload?(numbers: Numbers, type: Type): DeviceTensor<V> | null
  dispose(): void
}

/** The steps of a run, without those that only make derived variables. */
export const stepsOfRun = (program: Program): readonly GraphStep[] =>
  graphSteps(program).filter(({ when }) => when.kind !== 'stale')

/** A zeroed host array for a dtype. */
export const hostArray = (dtype: DType, length: number): HostArray =>
  dtype === 'int32' ? new Int32Array(length) : dtype === 'bool' ? new Uint8Array(length) : new Float32Array(length)

/** A new host array from any numbers. Half types are rounded, integers wrap around. */
export const hostArrayOf = (dtype: DType, numbers: ArrayLike<number>): HostArray => {
  if (dtype === 'int32') return new Int32Array(numbers)
  if (dtype === 'bool') return new Uint8Array(numbers)
  if (dtype === 'float32') return new Float32Array(numbers)
  return Float32Array.from(numbers, (x) => roundTo(dtype, x))
}
