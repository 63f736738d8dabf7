/**
 * Tensors as buffers on the device. A buffer is never overwritten: a new value gets a new buffer, because XNNPACK, which tfjs-wasm calls, caches
 * packed copies of weights by buffer.
 */
import { type Type, isHalf } from '../../ir/types.ts'
import type { DeviceTensor } from '../backend.ts'
import type { Memory } from '../common/variable-store.ts'
import { tfjsDtype, type Device } from './device.ts'
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

/** A handle that takes over the caller's reference to a buffer; dispose() releases it. `verdict` is that of the run that made the buffer. */
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

/** Wraps a tf.Tensor of this device with the type's elements; null for others, and for half types, because its float32 may have other numbers. */
export const adoptTensor = (tensor: object, type: Type, device: Device): DeviceTensor<DataId> | null => {
  const { dataId, dtype } = tensor as { readonly dataId?: unknown; readonly dtype?: unknown } // any object of the user
  if (typeof dataId !== 'object' || dataId === null || !device.holds(dataId)) return null
  if (isHalf(type.dtype) || dtype !== tfjsDtype(type.dtype)) return null
  device.retain(dataId)
  return deviceTensor(dataId, type, device)
}
