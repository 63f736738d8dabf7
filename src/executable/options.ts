/** The options of compile(): their types, their checks, and those of the environment. */
import { checkRecord, flag, abortSignal, count, callback } from '../ir/check-record.ts'
import { type Backend, type Precision, precisions, type XlaChoice, xlaChoices } from '../backends/backend.ts'
import { type BackendName, backendNames } from '../backends/catalog.ts'
import { EffuseError } from '../ir/diagnostics.ts'
import type { Pipeline } from '../passes/pipeline.ts'
import { ampOptionFault, type MixedPrecision } from './amp.ts'
import type { Variables } from './variables.ts'
import type { WeightsSource } from './weights-source.ts'
import type { WebAbortSignal } from '../ir/web-types.ts'

/** The parts of `xla`. */
export interface XlaSwitches {
  readonly simplify?: boolean | undefined
  readonly fusion?: boolean | undefined
  /** Whether XLA compiles the graphs on the backend `tensorflow`; 'auto', the default: on GPUs. */
  readonly tensorflow?: XlaChoice | undefined
}

export interface CompileOptions {
  /** The backend; 'auto' takes the fastest that is available. */
  readonly backend?: BackendName | Backend | undefined
  /** Size of the symbolic dimension `batch`; default 1. */
  readonly batch?: number | undefined
  /** Mixed precision (docs/amp.md): true means float16 with the fewest casts. Default false. */
  readonly amp?: boolean | MixedPrecision | undefined
  /** Simplification and fusion of the whole graph (default), execution op by op as declared (`false`), or single switches. */
  readonly xla?: boolean | XlaSwitches | undefined
  /** 'tf32' lets GPUs round the operands of products to 10 bits, where they can. Default 'float32'. */
  readonly precision?: Precision | undefined
  /** Equal runs give equal bits. `false` where a machine is faster without: GPUs under TensorFlow. Default true. */
  readonly deterministic?: boolean | undefined
  /** Variables of another executable (shared on the same backend, copied between backends), or weights to load. */
  readonly variables?: Variables | WeightsSource | undefined
  /** Changes the pipeline: `(p) => p.before('dce', mine)`. */
  readonly passes?: ((pipeline: Pipeline) => Pipeline) | undefined
  /** Verify the graph after each pass, and run it before and after on the reference interpreter (docs/debugging.md). */
  readonly verify?: boolean | undefined
  /** Seed of initial values and random streams; default 0. */
  readonly seed?: number | undefined
  readonly signal?: WebAbortSignal | undefined
  readonly onProgress?:
    | ((progress: { readonly stage: string; readonly done: number; readonly total: number }) => void)
    | undefined
}

/** Where and how a program runs: the options that fit(), evaluate() and bench() pass on to compile(). */
export type ExecutionOptions = Pick<CompileOptions, 'backend' | 'amp' | 'xla' | 'precision' | 'deterministic' | 'seed'>

const checks: { readonly [K in keyof Required<CompileOptions>]: readonly [string, (value: unknown) => boolean] } = {
  backend: [
    `one of ${backendNames.join(', ')}, or a backend`,
    (v) => backendNames.some((name) => name === v) || (typeof v === 'object' && v !== null && 'createStore' in v),
  ],
  batch: count,
  amp: [
    'true, false or { dtype, strategy, allow, deny, keep, strict, followAllow, emulate }',
    (v) => typeof v === 'boolean' || (typeof v === 'object' && v !== null && !Array.isArray(v)),
  ],
  xla: [
    "true, false or { simplify, fusion, tensorflow }, the last one 'auto', 'always' or 'never'",
    (v) =>
      typeof v === 'boolean' ||
      (typeof v === 'object' &&
        v !== null &&
        Object.entries(v).every(([key, x]) => x === undefined || isSwitch(key, x))),
  ],
  precision: ["'float32' or 'tf32'", (v) => precisions.some((precision) => precision === v)],
  deterministic: flag,
  variables: ["another executable's variables, or weights", (v) => typeof v === 'object' || typeof v === 'string'],
  passes: ['a function from pipeline to pipeline', (v) => typeof v === 'function'],
  verify: flag,
  seed: ['an integer from 0 to 2^32 - 1', (v) => Number.isSafeInteger(v) && Number(v) >= 0 && Number(v) < 2 ** 32],
  signal: abortSignal,
  onProgress: callback,
}

const isSwitch = (key: string, value: unknown): boolean =>
  key === 'tensorflow'
    ? xlaChoices.some((choice) => choice === value)
    : ['simplify', 'fusion'].includes(key) && typeof value === 'boolean'

/** `xla: false` means op by op as declared, also without XLA. */
export const xlaChoiceOf = (xla: CompileOptions['xla']): XlaChoice =>
  typeof xla === 'object' ? (xla.tensorflow ?? 'auto') : xla === false ? 'never' : 'auto'

/** @throws EffuseError EF403 naming the option, the expected and the given value */
export const checkOptions = (options: CompileOptions): void => {
  checkRecord('compile()', '', options, checks)
  const fault = typeof options.amp === 'object' ? ampOptionFault(options.amp) : null
  if (fault !== null) throw new EffuseError({ code: 'EF403', ...fault })
}
