/**
 * The contract between the compiler and what runs its programs. A backend takes the whole program: it may run it op by op (tfjs),
 * hand it over as one graph (TensorFlow) or generate kernels (wasm, WebGPU). Nothing here says how.
 *
 * `V` is what a backend holds for a tensor on its device: an array, a tensor id, a buffer. The compiler only passes it through.
 */
import { roundTo } from '../ir/rounding.ts'
import type { TargetInfo } from '../ir/target.ts'
import type { DType, Type } from '../ir/types.ts'
import type { Pass } from '../passes/pass.ts'
import { type Program, type GraphStep, graphSteps } from '../passes/program.ts'
import type { WebAbortSignal } from '../ir/web-types.ts'

/** Data on the host; half types are held widened, exactly. Row-major. */
export type HostArray = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>
export interface HostTensor {
  readonly type: Type
  readonly data: HostArray
}

/**
 * The values of variables, on the device. All that reads or changes them takes a turn: turns run one after another, in the order of
 * their calls. One store may serve several executables of one backend.
 */
export interface Store<V = unknown> {
  /** Identity of the device that the values are on. */
  readonly device: object
  has(name: string): boolean
  typeOf(name: string): Type | null
  /** Adds a variable; `initial` is called when the value is first needed, never for one that is written before. */
  declare(name: string, type: Type, initial: () => HostArray): void
  /** Adds a value that programs derive from variables, or one more user of it. It is stale until a run writes it. */
  declareDerived(name: string, type: Type, sources: readonly string[]): void
  /** One user less; the last one takes the value along. */
  releaseDerived(name: string): void
  /**
   * Runs `work` when all turns before it have ended. The turn ends when `work` has: by then everything is submitted to the device, in order,
   * though results may still be under way. Inside a turn the store is reached through what `work` gets; taking a turn inside a turn on the
   * same store would wait for itself. @throws EffuseError EF406 after dispose()
   */
  turn<T>(work: (turn: StoreTurn<V>) => T | Promise<T>): Promise<T>
  /** A turn that reads variables, all as they are at one moment. @throws EffuseError EF407 */
  read(names: Iterable<string>): Promise<ReadonlyMap<string, HostArray>>
  /** A turn that writes variables: all of them or none. Types must be the declared ones; the caller checks. Copies at the call. @throws EffuseError EF407 */
  write(values: ReadonlyMap<string, HostArray>): Promise<void>
  /** Frees the values when the turns called before have ended. */
  dispose(): void
}

/** What a turn may do. It is of no use after the turn. */
export interface StoreTurn<V = unknown> {
  /** The value on the device, made of the initial one when first needed. It stays the store's. @throws EffuseError EF407 */
  valueOf(name: string): V
  /** The values as they are now, whatever this turn or a later one writes while they are under way. @throws EffuseError EF407 */
  read(names: Iterable<string>): Promise<ReadonlyMap<string, HostArray>>
  /** All of them or none. @throws EffuseError EF407 */
  write(values: ReadonlyMap<string, HostArray>): void
  /** The same with values on the device, which become the store's. Derived ones are stamped with the versions of their sources as they were before. */
  commit(values: ReadonlyMap<string, V>): void
  /** Grows with each change of the variable. @throws EffuseError EF407 */
  versionOf(name: string): number
  /** Grows with each change of any variable. */
  storeVersion(): number
  /** Was the derived value never made, or made of variables that have changed? @throws EffuseError EF407 */
  isStale(name: string): boolean
}

/** A tensor on the device: what a run gave, or what a user's program holds there. */
export interface DeviceTensor<V = unknown> {
  readonly type: Type
  /** Identity of the device that it is on: only backends of that device may be fed with it. */
  readonly device: object
  readonly native: V
  read(): Promise<HostArray>
  /** One more holder of the same memory, which stays until all of them have disposed of it. */
  share(): DeviceTensor<V>
  dispose(): void
}

/** A tensor fed to a run: host data, which becomes the run's own, or a tensor on the backend's device. */
export type FeedTensor<V = unknown> =
  | { readonly type: Type; readonly host: HostArray }
  | { readonly type: Type; readonly tensor: DeviceTensor<V> }

/** Combines host data over the replicas of a run; every replica calls it with the same tensors in the same order, and gets the same. */
export interface Communicator {
  allReduce(reduce: 'sum' | 'and', values: readonly HostTensor[]): Promise<readonly HostArray[]>
}

/** Where a run stands: in the random streams, and among replicas. */
export interface RunContext {
  readonly seed: number
  readonly runIndex: number
  /** 0 to `replicas` - 1. */
  readonly replica: number
  /** Runs of the same program with other feeds, all together; default 1. */
  readonly replicas?: number | undefined
  /** Needed where there are several replicas and the program has collectives. */
  readonly communicator?: Communicator | undefined
}

/** A program bound to a store. */
export interface Runnable<V = unknown> {
  /**
   * Runs steps of the program in order, inside a turn on its store. A step sees the variables as the steps before it left them; all updates
   * are committed together at the end. A run that fails leaves the variables as they were. Feeds by input name, results by output name;
   * where two steps give results of one name, the later one counts.
   */
  run(
    turn: StoreTurn<V>,
    steps: readonly string[],
    feeds: ReadonlyMap<string, FeedTensor<V>>,
    at: RunContext,
  ): Promise<ReadonlyMap<string, DeviceTensor<V>>>
  /** A run like any other, timed kernel by kernel where the backend can tell. */
  profile(
    turn: StoreTurn<V>,
    steps: readonly string[],
    feeds: ReadonlyMap<string, FeedTensor<V>>,
    at: RunContext,
  ): Promise<readonly ProfileRow[]>
  /** What it made of the steps that runs are made of (stepsOfRun), for `executable.plan`. */
  readonly plan: PlanFigures
  dispose(): void
}

/** Of several steps: kernels and dispatches of all together; bytes of the largest, since they run one after another. Null: the backend does not know. */
export interface PlanFigures {
  readonly kernels: number
  readonly dispatches: number
  /** The most bytes that inputs, intermediates and results take at once. */
  readonly peakBytes: number | null
  /** Bytes of all arenas; null also where each value has a buffer of its own. */
  readonly arenaBytes: number | null
  /** The most bytes alive at once in the chosen order; variables and constants do not count (docs/passes.md, "Order and memory"). */
  readonly lowerBoundBytes: number | null
}

export interface ProfileRow {
  readonly path: string
  readonly op: string
  readonly kernel: string
  readonly ms: number
}

export interface CompileContext {
  /** What the store calls a variable of the program: shared stores may know it by another name (averages, derived values). */
  readonly nameOf: (variable: string) => string
  readonly signal?: WebAbortSignal | undefined
  readonly onProgress?:
    | ((progress: { readonly stage: string; readonly done: number; readonly total: number }) => void)
    | undefined
}

/** What turns programs into runnables on some device. */
export interface Engine<V = unknown> {
  readonly target: TargetInfo
  /** Its own passes, between AMP and simplify: decompositions chosen for it. */
  readonly legalize: readonly Pass[]
  /** Its own fusions, after hoistPrepare; run only with `xla`. */
  readonly fuse: readonly Pass[]
  /** Binds the program to a store of the same backend, in which its variables are declared. @throws EffuseError EF405 */
  compile(program: Program, store: Store<V>, cx: CompileContext): Promise<Runnable<V>>
}

/** Why a device is gone. */
export interface DeviceLoss {
  readonly reason: string
}

export interface Backend<V = unknown> extends Engine<V> {
  /** 'reference', 'tfjs-wasm' … */
  readonly name: string
  /** Identity of the device. Stores and tensors of backends with the same one fit each other. */
  readonly device: object
  /** Says what a tuned schedule depends on: device, driver, versions. Equal fingerprints may share schedules. */
  readonly fingerprint: string
  /** Settles when the device is gone; never where that cannot happen. Calls under way fail then, and do not hang. */
  readonly lost: Promise<DeviceLoss>
  /** The same device with half types by rounding after each op, for `amp: { emulate: true }`; absent: it has them, or cannot round. */
  readonly emulatingHalf?: Engine<V> | undefined
  createStore(): Store<V>
  /** A tensor of a user's program that lies on this device, to be fed without a copy; null where it does not. The caller disposes of it. */
  adopt(tensor: object, type: Type): DeviceTensor<V> | null
  dispose(): void
}

/** The graphs that a run is made of: all but those that only make derived variables. */
export const stepsOfRun = (program: Program): readonly GraphStep[] =>
  graphSteps(program).filter(({ when }) => when.kind !== 'stale')

/** A zeroed host array for a dtype. */
export const hostArray = (dtype: DType, length: number): HostArray =>
  dtype === 'int32' ? new Int32Array(length) : dtype === 'bool' ? new Uint8Array(length) : new Float32Array(length)

/** A new host array from any numbers; half types are rounded to what they hold, integers wrap around. */
export const hostArrayOf = (dtype: DType, numbers: ArrayLike<number>): HostArray => {
  if (dtype === 'int32') return new Int32Array(numbers)
  if (dtype === 'bool') return new Uint8Array(numbers)
  if (dtype === 'float32') return new Float32Array(numbers)
  return Float32Array.from(numbers, (x) => roundTo(dtype, x))
}
