/** Runs the shaders of kernels on a WebGPU device in Node. */
import { create } from 'webgpu'
import type { Kernel, KernelBuffer } from '../../src/backends/codegen/kernel/kernel.ts'
import { emitWgsl, type WgslPhase } from '../../src/backends/webgpu/wgsl/emit.ts'
import type { WgslSchedule } from '../../src/backends/webgpu/wgsl/schedule.ts'
import type { Phase } from '../../src/backends/codegen/kernel/kernel.ts'
import { elements } from '../../src/ir/types.ts'

const gpu = create([])
const usage = { storage: 0x80, copySource: 4, copyTarget: 8, mapRead: 1 }

const openDevice = async (): Promise<GPUDevice> => {
  const adapter = await gpu.requestAdapter()
  if (adapter === null) throw new Error('there is no WebGPU adapter')
  return adapter.requestDevice()
}
let opened: Promise<GPUDevice> | null = null

const bytesOf = ({ shape }: KernelBuffer): number => elements(shape) * 4

/** All buffers after the run. @throws Error with the compiler's message if a shader is invalid */
export const runOnWebgpu = async (
  kernel: Kernel,
  operands: ReadonlyMap<number, ArrayLike<number>>,
  scheduleOf?: (phase: Phase) => WgslSchedule,
): Promise<readonly ArrayLike<number>[]> => {
  opened ??= openDevice()
  const device = await opened
  device.pushErrorScope('validation')
  const buffers = kernel.buffers.map((buffer, at) => {
    const made = device.createBuffer({
      size: bytesOf(buffer),
      usage: usage.storage | usage.copySource | usage.copyTarget,
    })
    const given = buffer.role === 'literal' ? buffer.data : operands.get(at)
    if (given != null) device.queue.writeBuffer(made, 0, viewOf(buffer, Float64Array.from(given)))
    return made
  })
  const encoder = device.createCommandEncoder()
  for (const phase of emitWgsl(kernel, scheduleOf)) runPhase(device, encoder, phase, buffers)
  const copies = kernel.buffers.map((buffer, at) => {
    const copy = device.createBuffer({ size: bytesOf(buffer), usage: usage.mapRead | usage.copyTarget })
    encoder.copyBufferToBuffer(buffers[at] as GPUBuffer, 0, copy, 0, bytesOf(buffer))
    return copy
  })
  device.queue.submit([encoder.finish()])
  const fault = await device.popErrorScope()
  if (fault !== null) throw new Error(fault.message)
  const results = kernel.buffers.map(async ({ dtype }, at) => {
    const copy = copies[at] as GPUBuffer
    await copy.mapAsync(1)
    const bytes = copy.getMappedRange().slice(0)
    return dtype === 'float32' ? new Float32Array(bytes) : new Int32Array(bytes)
  })
  const read = await Promise.all(results)
  for (const buffer of [...buffers, ...copies]) buffer.destroy()
  return read
}

const viewOf = ({ dtype }: KernelBuffer, data: Float64Array): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> =>
  dtype === 'float32' ? Float32Array.from(data) : Int32Array.from(data)

const runPhase = (
  device: GPUDevice,
  encoder: GPUCommandEncoder,
  { code, bindings, workgroups }: WgslPhase,
  buffers: readonly GPUBuffer[],
): void => {
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  })
  const entries = bindings.map(({ buffer }, binding) => ({
    binding,
    resource: { buffer: buffers[buffer] as GPUBuffer },
  }))
  const pass = encoder.beginComputePass()
  pass.setPipeline(pipeline)
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }))
  pass.dispatchWorkgroups(...workgroups)
  pass.end()
}
