/** What the steps of a plan do in a run. Each function prepares what it can, and returns a step's `run`, which fills in buffers and calls. */
import { elements, type DType, type Type } from '../../ir/types.ts'
import type { HostArray } from '../backend.ts'
import { tfjsDtype, type Device, type HostMemory } from './device.ts'
import type { Buffers, HostLoop, Operand, ReviseLoop, Step } from './plan-types.ts'
import type { DataId, KernelFunc, TensorInfo } from './tfjs-types.ts'
import type { Slot } from './view.ts'
import { makeProgram, type Shader, type WebgpuBackend } from './webgpu/shader.ts'

export interface KernelCall {
  readonly name: string
  readonly func: KernelFunc
  readonly inputs: { readonly [name: string]: Operand } | readonly Operand[]
  readonly attrs: object
  /** Selects tfjs's WebGPU program for products. */
  readonly productProgram: number | undefined
}

/** Calls a tfjs kernel with one result. */
export const kernelRun = (device: Device, call: KernelCall, result: Slot): Step['run'] => {
  const { name, func, inputs, attrs, productProgram } = call
  const operands: readonly Operand[] = Object.values(inputs)
  const infos = operands.map(({ shape, dtype }) => infoOf(shape, dtype))
  const named = Object.keys(inputs).map((key, i) => [key, infos[i] as TensorInfo]) // one for each operand
  const args = { inputs: Array.isArray(inputs) ? infos : Object.fromEntries(named), attrs, backend: device.backend }
  const packed = packedOperand[name]
  return (buffers) => {
    if (productProgram !== undefined) device.chooseProduct(productProgram)
    for (let i = 0; i < infos.length; i++) {
      const info = infos[i] as TensorInfo // one for each operand
      const dataId = filled(buffers, (operands[i] as Operand).slot)
      info.dataId = i === packed ? device.shaped(dataId, info.shape) : dataId
    }
    buffers[result] = (func(args) as TensorInfo).dataId
  }
}

/** Runs effuse's own WGSL program on WebGPU with one result. */
export const shaderRun = (
  backend: WebgpuBackend,
  shader: Shader,
  operands: readonly Operand[],
  type: Type,
  result: Slot,
): Step['run'] => {
  const infos = operands.map(({ shape, dtype }) => infoOf([elements(shape)], dtype))
  const program = makeProgram(shader, operands, type.shape)
  const uniforms = shader.parameters?.values ?? []
  return (buffers) => {
    infos.forEach((info, i) => {
      info.dataId = filled(buffers, (operands[i] as Operand).slot) // one for each operand
    })
    buffers[result] = backend.runWebGPUProgram({ ...program }, infos, tfjsDtype(type.dtype), uniforms).dataId
  }
}

/** Allocates the results, then runs a loop in JavaScript over the memory of operands and results. */
export const hostRun = (
  memory: HostMemory,
  inputs: readonly Operand[],
  results: readonly Operand[],
  loop: HostLoop,
): Step['run'] => {
  const viewInputs = viewsOf(memory, inputs)
  const viewResults = viewsOf(memory, results)
  return (buffers, cx) => {
    for (const { slot, shape, dtype } of results) buffers[slot] = memory.allocate(shape, dtype)
    const outputs = viewResults(buffers)
    loop(viewInputs(buffers), outputs, cx)
  }
}

/** Runs a loop in JavaScript that changes the first operand in place. */
export const reviseRun = (
  memory: HostMemory,
  fresh: Operand,
  inputs: readonly Operand[],
  loop: ReviseLoop,
): Step['run'] => {
  const views = viewsOf(memory, [fresh, ...inputs])
  return (buffers) => {
    const [target, ...arrays] = views(buffers)
    loop(target as HostArray, arrays) // `fresh` comes first
  }
}

/** Takes one of two buffers, by a flag that the device computes. */
export const choiceRun =
  (device: Device, { flag, yes, no }: { readonly [K in 'flag' | 'yes' | 'no']: Slot }, result: Slot): Step['run'] =>
  (buffers) => {
    const chosen = filled(buffers, device.readScalar(filled(buffers, flag)) === 0 ? no : yes)
    device.retain(chosen)
    buffers[result] = chosen
  }

/** The operands' memory, once a run has filled their slots. */
const viewsOf = (memory: HostMemory, operands: readonly Operand[]): ((buffers: Buffers) => readonly HostArray[]) => {
  const sizes = operands.map(({ shape }) => elements(shape))
  return (buffers) =>
    operands.map(({ slot, dtype }, i) => memory.view(filled(buffers, slot), dtype, sizes[i] as number)) // one for each operand
}

/** The buffer in a slot that an earlier step has filled. */
const filled = (buffers: Buffers, slot: Slot): DataId => buffers[slot] as DataId

const infoOf = (shape: readonly number[], dtype: DType): TensorInfo => ({
  dataId: noBuffer,
  shape: [...shape],
  dtype: tfjsDtype(dtype),
})

/** Stands in a prepared argument until the run fills in the buffer. */
const noBuffer: DataId = Object.freeze({})

/** The index of the operand that a kernel caches in packed form, by its tensor id only, independent of its shape. */
const packedOperand: { readonly [kernel: string]: number | undefined } = { BatchMatMul: 1, _FusedMatMul: 1 }
