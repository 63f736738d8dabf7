/**
 * The contract between the compiler and what runs its programs. A backend takes the whole program: it may run it op by op (tfjs),
 * hand it over as one graph (TensorFlow) or generate kernels (wasm, WebGPU). Nothing here says how.
 */
import type { Initializer } from '../ir/initializers.ts'
import { roundTo } from '../ir/rounding.ts'
import type { TargetInfo } from '../ir/target.ts'
import type { DType, Type } from '../ir/types.ts'
import type { Pass } from '../passes/pass.ts'
import { type Program, type GraphStep, graphSteps } from '../passes/program.ts'

/** Data on the host; half types are held widened, exactly. Row-major. */
export type HostArray = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>
export interface HostTensor {
  readonly type: Type
  readonly data: HostArray
}

export interface VariableSpec {
  readonly name: string
  readonly type: Type
  readonly trainable: boolean
  readonly init: Initializer
  /** Made by the plan `prepare` from other variables; belongs to one executable and is not among the user's variables. */
  readonly derived: boolean
}

/** The values of variables, on the device. One store may serve several executables of one backend. */
export interface Store {
  has(name: string): boolean
  typeOf(name: string): Type | null
  /** Adds a variable; `initial` is called when the value is first needed, never for one that is set before. */
  declare(name: string, type: Type, initial: () => HostArray): void
  get(name: string): Promise<HostArray>
  /** The type must be the declared one; the caller checks it. Copies. */
  set(name: string, data: HostArray): Promise<void>
  /** Grows with every change of a value, by set or by a run. */
  readonly version: number
  dispose(): void
}

/** Where a program's variable lives: shared stores may know it by another name (averages). */
export interface Binding {
  readonly store: Store
  readonly name: string
}

/** A tensor fed to a run: host data, or something of the backend's own (a tf.Tensor, a GPUBuffer, another run's result). */
export type FeedTensor =
  | { readonly type: Type; readonly host: HostArray }
  | { readonly type: Type; readonly native: unknown }

/** A tensor that a run gave, still on the device. */
export interface DeviceTensor {
  readonly type: Type
  read(): Promise<HostArray>
  /** For zero-copy feeding to the same backend. */
  readonly native: unknown
  dispose(): void
}

/** Position in the random streams. */
export interface RunContext {
  readonly seed: number
  readonly runIndex: number
  readonly replica: number
}

export interface Runnable {
  /** Runs the graph of one step and commits its updates. Feeds by input name, results by output name. Calls come one after another. */
  run(step: string, feeds: ReadonlyMap<string, FeedTensor>, cx: RunContext): Promise<ReadonlyMap<string, DeviceTensor>>
  /** What it made of the steps that runs are made of (stepsOfRun), for `executable.plan`. Null: the backend does not know. */
  readonly plan: PlanFigures
  /** Runs the step once, as `run` does with all that it updates, and gives the time of each step where the backend can tell. */
  profile(step: string, feeds: ReadonlyMap<string, FeedTensor>, cx: RunContext): Promise<readonly ProfileRow[]>
  dispose(): void
}

/** Of several steps: kernels and dispatches of all together; bytes of the largest, since they run one after another. */
export interface PlanFigures {
  readonly kernels: number
  readonly dispatches: number
  readonly peakBytes: number | null
  readonly arenaBytes: number | null
  readonly lowerBoundBytes: number | null
}

export interface ProfileRow {
  readonly path: string
  readonly op: string
  readonly kernel: string
  readonly ms: number
}

export interface CompileContext {
  readonly bind: (variable: string) => Binding
  readonly signal?: AbortSignal | undefined
  readonly onProgress?:
    | ((progress: { readonly stage: string; readonly done: number; readonly total: number }) => void)
    | undefined
}

/** What turns programs into runnables on some device. */
export interface Engine {
  readonly target: TargetInfo
  /** Its own passes, between AMP and simplify: decompositions chosen for it. */
  readonly legalize: readonly Pass[]
  /** Its own fusions, after hoistPrepare; run only with `xla`. */
  readonly fuse: readonly Pass[]
  compile(program: Program, cx: CompileContext): Promise<Runnable>
}

export interface Backend extends Engine {
  /** 'reference', 'tfjs-wasm' … */
  readonly name: string
  /** The same device with half types by rounding after each op, for `amp: { emulate: true }`; absent: it has them, or cannot round. */
  readonly emulatingHalf?: Engine | undefined
  createStore(): Store
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
