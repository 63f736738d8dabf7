/** Uses tfjs's WebGPU backend for a run: its settings, its command encoder, errors of its device. */
import { EffuseError } from '../../../ir/diagnostics.ts'
import type { TfjsCore } from '../tfjs-types.ts'
import type { WebgpuBackend } from './shader.ts'

/** Settings during a run: no kernel runs on the CPU, and nothing is submitted before the end. Each kernel sets the program for products. */
const settings = {
  WEBGPU_CPU_FORWARD: false,
  WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE: Number.MAX_SAFE_INTEGER,
  WEBGPU_MATMUL_PROGRAM_TYPE: -1,
  // A user's program may set this to compile before its first run.
  WEBGPU_ENGINE_COMPILE_ONLY: false,
} as const

/** The device's later report on submitted work: an error, or null. */
export type Verdict = Promise<EffuseError | null>

export interface Queue {
  /** Records the commands of `work`, submits them together, and restores the user's settings. */
  run<T>(work: () => T): { readonly value: T; readonly verdict: Verdict }
  /** Reads a buffer. @throws EffuseError if the run that should fill it failed, in which case WebGPU returns zeros */
  read(dataId: object): Promise<ArrayLike<number>>
}

export const makeQueue = (tf: TfjsCore, backend: WebgpuBackend): Queue => {
  let failed: EffuseError | null = null
  const run: Queue['run'] = (work) => {
    const { value, verdict } = submitted(tf, backend, work)
    void verdict.then((problem) => {
      failed = problem ?? failed
    })
    return { value, verdict }
  }
  return {
    run,
    read: async (dataId) => {
      const { value, verdict } = submitted(tf, backend, () => backend.read(dataId))
      value.catch(() => {}) // the verdict has the reason
      const problem = await verdict
      if (problem !== null) throw failed ?? problem
      return value
    },
  }
}

const submitted = <T>(
  tf: TfjsCore,
  backend: WebgpuBackend,
  work: () => T,
): { readonly value: T; readonly verdict: Verdict } => {
  const env = tf.env()
  const before = Object.keys(settings).map((flag) => [flag, env.get(flag)] as const)
  for (const [flag, value] of Object.entries(settings)) env.set(flag, value)
  const { device } = backend
  device.pushErrorScope('out-of-memory')
  device.pushErrorScope('validation')
  let verdict: Verdict = Promise.resolve(null)
  let value: T
  try {
    value = work()
  } finally {
    submit(backend)
    for (const [flag, setting] of before) env.set(flag, setting)
    verdict = verdictOf(device.popErrorScope(), device.popErrorScope())
  }
  return { value, verdict }
}

const submit = (backend: WebgpuBackend): void => {
  if (backend.commandEncoder === null) return
  backend.endComputePassEncoder()
  backend.submitQueue()
}

type Found = Promise<{ readonly message: string } | null>

/** The verdict from two error scopes. A lost device is reported elsewhere. */
const verdictOf = async (validation: Found, memory: Found): Verdict => {
  const [invalid, short] = await Promise.all([validation, memory].map((found) => found.catch(() => null)))
  if (short != null)
    return new EffuseError({
      code: 'EF409',
      message: `the WebGPU device has no memory left for a run: ${firstLine(short.message)}`,
      hint: 'use a smaller batch, or smaller pictures',
    })
  if (invalid != null)
    return new EffuseError({
      code: 'EF901',
      message: `bug in the compiler: WebGPU rejected a command of a run: ${firstLine(invalid.message)}`,
    })
  return null
}

const firstLine = (text: string): string => text.split('\n')[0] ?? ''
