/**
 * Tensors as buffers on the device. A buffer is never written again: a new value is a new buffer, since XNNPACK, which tfjs-wasm calls,
 * keeps packed copies of weights by buffer.
 */
import type { Type } from '../../ir/types.ts'
import type { DeviceTensor } from '../backend.ts'
import type { Memory } from '../common/variable-store.ts'
import { tfjsDtype, type Device } from './device.ts'
import { isHalf } from './planner.ts'
import type { DataId } from './tfjs-types.ts'
import type { Verdict } from './webgpu/submit.ts'

export const tfjsMemory = (device: Device): Memory<DataId> => ({
  device,
  upload: (data, { shape, dtype }) => device.upload(data, shape, dtype),
  download: async (dataId, { dtype }) => {
    device.retain(dataId)
    try {
      return await device.download(dataId, dtype)
    } finally {
      device.free(dataId)
    }
  },
  free: (dataId) => device.free(dataId),
  adopted: (dataId, { shape }) => device.noteShape(dataId, shape),
})

/** A handle of a buffer that the caller holds once: dispose() gives that up. `verdict`: of the run that made it. */
export const deviceTensor = (dataId: DataId, type: Type, device: Device, verdict?: Verdict): DeviceTensor<DataId> => {
  let isDisposed = false
  return {
    type,
    device,
    native: dataId,
    read: async () => {
      const data = await device.download(dataId, type.dtype)
      const problem = await verdict
      if (problem != null) throw problem
      return data
    },
    share: () => {
      device.retain(dataId)
      return deviceTensor(dataId, type, device, verdict)
    },
    dispose: () => {
      if (!isDisposed) device.free(dataId)
      isDisposed = true
    },
  }
}

/** A tf.Tensor of this tfjs backend with the very elements that the type wants: half types hold fewer numbers than its float32. */
export const adoptTensor = (tensor: object, type: Type, device: Device): DeviceTensor<DataId> | null => {
  const { dataId, dtype } = tensor as { readonly dataId?: unknown; readonly dtype?: unknown } // anything that a user feeds
  if (typeof dataId !== 'object' || dataId === null || !device.holds(dataId)) return null
  if (isHalf(type.dtype) || dtype !== tfjsDtype(type.dtype)) return null
  device.retain(dataId)
  return deviceTensor(dataId, type, device)
}
