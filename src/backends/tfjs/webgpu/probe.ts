/** Availability of WebGPU for `auto` and `doctor`, without opening a device. */
import { EffuseError } from '../../../ir/diagnostics.ts'
import type { Availability } from '../../catalog.ts'
import { findAdapter, type FoundAdapter } from './find-adapter.ts'

/** Software adapters must be selected by name, because WebAssembly is faster. */
export const probeWebgpu = async (): Promise<Availability> => {
  try {
    const adapter = await findAdapter()
    return { isAvailable: true, detail: describe(adapter), fix: null, isByNameOnly: adapter.isSoftware }
  } catch (error) {
    if (!(error instanceof EffuseError)) throw error
    return { isAvailable: false, detail: error.message, fix: error.hint ?? null }
  }
}

const describe = ({ name, isSoftware, limits, hasHalf }: FoundAdapter): string =>
  [
    `${name}${isSoftware ? ', in software: only by name' : ''}`,
    `buffers of ${mebibytes(limits.maxBufferSize)}, bindings of ${mebibytes(limits.maxStorageBufferBindingSize)}`,
    `${limits.maxStorageBuffersPerShaderStage} buffers and ${limits.maxComputeInvocationsPerWorkgroup} invocations a program`,
    hasHalf ? 'has shader-f16, which tfjs does not use' : 'no shader-f16',
  ].join('; ')

const mebibytes = (bytes: number): string => `${Math.floor(bytes / 2 ** 20).toLocaleString('en-US')} MiB`
