/** A WGSL program of ours, run through tfjs's backend: its buffers, its command encoder, its cache of pipelines. */
import { elements } from '../../../ir/types.ts'
import type { KernelBackend, TensorInfo } from '../tfjs-types.ts'
import { Parameters, type Uniform } from './parameters.ts'
import { calledBy } from './wgsl.ts'

/** What tfjs's runWebGPUProgram reads; it writes into it as well, so each run gets a copy. */
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

/** tfjs's WebGPUBackend, what of it is in use here. */
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

/** By shape, so that no declarations of WebGPU are needed. */
export interface GpuDevice {
  readonly lost: Promise<{ readonly reason?: string; readonly message: string }>
  readonly limits: { readonly maxStorageBufferBindingSize: number; readonly [limit: string]: unknown }
  readonly features: { has(name: string): boolean }
  pushErrorScope(filter: 'validation' | 'out-of-memory'): void
  popErrorScope(): Promise<{ readonly message: string } | null>
}

export const isWebgpu = (backend: KernelBackend): backend is WebgpuBackend =>
  'runWebGPUProgram' in backend && 'commandQueueOwnedIds' in backend && 'submitQueue' in backend

/** The elements in a buffer of their own. */
export const copyOnDevice = (backend: WebgpuBackend, dataId: object, size: number, dtype: string): object => {
  const program = makeProgram({ body: 'result[i] = x0[i];' }, [{}], [size])
  return backend.runWebGPUProgram(program, [{ dataId, shape: [size], dtype }], dtype, []).dataId
}

/** What a program computes. Operands are the arrays x0, x1 … of their elements, `result` is the output, `i` the number of the invocation. */
export interface Shader {
  /** Statements of one invocation. */
  readonly body: string
  /** Functions and constants before it. */
  readonly prelude?: string | undefined
  readonly parameters?: Parameters | undefined
  /** How many invocations; default one for each element of the result. */
  readonly invocations?: number | undefined
}

const workgroup = 64

/** Programs by their text: tfjs's cache of pipelines is looked up at each dispatch, so its keys are short. */
const keys = new Map<string, string>()

/** Each binding must be used, or tfjs's automatic layout lacks it: the uniforms are, by the test; operands are the body's affair. */
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
