/** Runs effuse's own WGSL programs through tfjs's backend, with its buffers, command encoder and pipeline cache. */
import { elements } from '../../../ir/types.ts'
import type { KernelBackend, TensorInfo } from '../tfjs-types.ts'
import { Parameters, type Uniform } from './parameters.ts'
import { calledBy } from '../../webgpu/wgsl/library.ts'

/** The argument of tfjs's runWebGPUProgram, which also writes into it, so each run passes a copy. */
export interface WebgpuProgram {
  readonly outputShape: number[]
  readonly dispatchLayout: { readonly x: number[] }
  readonly dispatch: [number, number, number]
  readonly variableNames: string[]
  readonly workgroupSize: [number, number, number]
  readonly shaderKey: string
  readonly size: boolean
  readonly uniforms: string
  getUserCode(): string
}

/** The parts of tfjs's WebGPUBackend that effuse uses. */
export interface WebgpuBackend extends KernelBackend {
  readonly device: GpuDevice
  readonly queue: { onSubmittedWorkDone(): Promise<void> }
  readonly commandQueueOwnedIds: { delete(dataId: object): boolean }
  readonly commandEncoder: object | null
  readonly tensorMap: { get(dataId: object): { readonly resource?: object | null } | undefined }
  runWebGPUProgram(
    program: WebgpuProgram,
    inputs: readonly TensorInfo[],
    dtype: string,
    uniforms: readonly Uniform[],
  ): TensorInfo
  endComputePassEncoder(): void
  submitQueue(): void
  memory(): { readonly numBytesInGPU: number; readonly numBytesAllocatedInGPU: number }
}

/** Declared here, so that no WebGPU declarations are needed. */
export interface GpuDevice {
  readonly lost: Promise<{ readonly reason?: string; readonly message: string }>
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly [limit: string]: unknown }
  readonly features: { has(name: string): boolean }
  pushErrorScope(filter: 'validation' | 'out-of-memory'): void
  popErrorScope(): Promise<{ readonly message: string } | null>
}

export const isWebgpu = (backend: KernelBackend): backend is WebgpuBackend =>
  'runWebGPUProgram' in backend && 'commandQueueOwnedIds' in backend && 'submitQueue' in backend

/** Copies the elements to a new buffer. */
export const copyOnDevice = (backend: WebgpuBackend, dataId: object, size: number, dtype: string): object => {
  const program = makeProgram({ body: 'result[i] = x0[i];' }, [{}], [size])
  return backend.runWebGPUProgram(program, [{ dataId, shape: [size], dtype }], dtype, []).dataId
}

/** A shader. Its operands are the arrays x0, x1 …, `result` is the output, and `i` is the number of the invocation. */
export interface Shader {
  /** Statements of one invocation. */
  readonly body: string
  /** Functions and constants before the body. */
  readonly prelude?: string | undefined
  readonly parameters?: Parameters | undefined
  /** The number of invocations; default: one per result element. */
  readonly invocations?: number | undefined
}

const workgroup = 64

/** Short keys of programs by their text. tfjs looks up its pipeline cache by the key at each dispatch. */
const keys = new Map<string, string>()

/** Makes a program. It must use every binding, or tfjs's automatic layout omits it: the test for the end uses the uniforms, the body all operands. */
export const makeProgram = (shader: Shader, operands: readonly object[], shape: readonly number[]): WebgpuProgram => {
  const size = elements(shape)
  const { parameters = new Parameters(), prelude = '', body } = shader
  const { invocations = size } = shader
  const isDone = invocations === size ? 'index >= uniforms.outShape' : `index >= ${parameters.i(invocations)}`
  const own = `${prelude}
fn main(index : i32) {
  if (${isDone}) { return; }
  let i = u32(index);
  ${body}
}`
  const code = `${calledBy(own)}\n${own}`
  const key = keys.get(code) ?? `effuse${keys.size}`
  keys.set(code, key)
  return {
    outputShape: [size],
    dispatchLayout: { x: [0] },
    dispatch: [Math.ceil(invocations / workgroup), 1, 1],
    variableNames: operands.map((_, at) => `x${at}`),
    workgroupSize: [workgroup, 1, 1],
    shaderKey: key,
    size: false,
    uniforms: parameters.declarations,
    getUserCode: () => code,
  }
}
