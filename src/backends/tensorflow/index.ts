/** The TensorFlow backend (`effuse/tensorflow`): TensorFlow's C library runs each graph of a program as one function. */
import { checkRecord, type Check } from '../../ir/check-record.ts'
import { genericBudget, genericCost, ieeeOps, type TargetInfo } from '../../ir/target.ts'
import { decomposeOps } from '../../passes/decompose.ts'
import type { Backend } from '../backend.ts'
import { makeVariableStore } from '../common/variable-store.ts'
import { openApi } from './c-api.ts'
import { TensorflowContext } from './context.ts'
import { withErrors } from './errors.ts'
import { requireTensorflow } from './find-library.ts'
import { halfKernelsOf } from './half-kernels.ts'
import { cpuFingerprint, slowHalf } from './half-speed.ts'
import { decomposedOps } from './lowering-table.ts'
import { tensorflowMemory, uploadFeed } from './memory.ts'
import { makeRunnable } from './runnable.ts'
import { plainForms } from './lowering.ts'
import { oneDnnForms } from './one-dnn.ts'
import { OneThreadContext } from './one-thread-context.ts'
import { settingsFor } from './settings.ts'

export interface TensorflowOptions {
  /** Threads of one op, and parts of a split batch (NVIDIA's `--intraop_threads`); default: one for each core. */
  readonly intraOpThreads?: number | undefined
  /** The number of ops that run at the same time (NVIDIA's `--interop_threads`); default: TensorFlow's. Fewer than intraOpThreads: no batch is split. */
  readonly interOpThreads?: number | undefined
  /** The memory in MiB that TensorFlow may take of each GPU (NVIDIA's `--memory_limit`); default: it takes more as it needs more. */
  readonly memoryLimit?: number | undefined
}

/**
 * A backend on TensorFlow.
 *
 * @throws EffuseError EF404 if TensorFlow is missing, with the command that installs it; EF403 (options).
 * @example
 * const net = await compile(model, { backend: await createTensorflowBackend({ intraOpThreads: 2 }) })
 */
export const createTensorflowBackend = async (options: TensorflowOptions = {}): Promise<Backend> => {
  checkRecord('createTensorflowBackend()', '', options, checks)
  const found = requireTensorflow()
  const api = openApi(found)
  const context = withErrors(null, () => new TensorflowContext(api, configuration(options)))
  const memory = tensorflowMemory(context)
  const oneThread = new OneThreadContext(api, options)
  const { isCpu, devices } = context
  const halfKernels = halfKernelsOf(context)
  const gpus = devices.filter(({ type }) => type === 'GPU').length
  const fingerprint = isCpu ? cpuFingerprint(api.version) : `tensorflow ${api.version}, ${gpus} GPU`
  const target: TargetInfo = {
    name: 'tensorflow',
    // GPUs have both types. CPUs compute bfloat16 faster, or have neither.
    halfTypes: isCpu ? ['bfloat16', 'float16'] : ['float16', 'bfloat16'],
    // TensorFlow's kernels have the same type for operands and result. On CPUs half operands may be widened; the result then stays float32.
    wideOutputs: isCpu,
    slowHalf: isCpu ? slowHalf(fingerprint) : undefined,
    fastHalfDepthwise: false,
    exactOps: ieeeOps,
    fusions: [],
    fusedActivations: [],
    memory: { alignment: 64, arenaBytesMax: Number.MAX_SAFE_INTEGER, exclusiveWrites: false },
    cost: genericCost,
    fusionBudget: genericBudget,
  }
  return {
    name: 'tensorflow',
    target,
    device: context,
    fingerprint,
    lost: new Promise(() => {}), // the device is never lost
    legalize: [decomposeOps(decomposedOps)],
    fuse: [],
    compile: async (program, _store, cx) => {
      const { isXla, mode, notes } = settingsFor(cx, isCpu, program)
      // XLA has its own kernels for CPUs, and these were not tested.
      const known = isXla && isCpu ? new Set<never>() : await halfKernels(program)
      return makeRunnable(program, cx, context, {
        halfKernels: known,
        isXla,
        keepsNan: cx.xla === 'never',
        forms: isCpu && !isXla ? await oneDnnForms(context, options.intraOpThreads) : plainForms,
        mode,
        notes,
        oneThread: isCpu ? oneThread : undefined,
      })
    },
    createStore: () => makeVariableStore(memory),
    adopt: () => null,
    upload: (numbers, type) => uploadFeed(numbers, type, context),
    dispose: () => {
      context.dispose()
      oneThread.dispose()
    },
  }
}

export type { TensorHandle } from '../tfjs/to-tensor.ts'
export { type TensorflowDeviation, tensorflowDeviations } from './deviations.ts'
export { toTfjsTensor, type ToTfjsTensorOptions, type UsersTfjs } from './to-tfjs-tensor.ts'

const count = (what: string, most: number): Check => [
  `${what} from 1 to ${most}`,
  (v) => Number.isInteger(v) && (v as number) > 0 && (v as number) <= most,
]

/** TensorFlow starts all threads at once, and aborts the process if the system refuses one. */
const threadsMax = 1024

const checks: { readonly [K in keyof Required<TensorflowOptions>]: Check } = {
  intraOpThreads: count('a number of threads', threadsMax),
  interOpThreads: count('a number of threads', threadsMax),
  memoryLimit: count('a number of MiB', 2 ** 24),
}

const configuration = ({ intraOpThreads, interOpThreads, memoryLimit }: TensorflowOptions) => ({
  intraOpParallelismThreads: intraOpThreads ?? 0,
  interOpParallelismThreads: interOpThreads ?? 0,
  gpuOptions: {
    allowGrowth: true,
    ...(memoryLimit === undefined ? {} : { experimental: { virtualDevices: [{ memoryLimitMb: [memoryLimit] }] } }),
  },
})
