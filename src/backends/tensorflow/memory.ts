/** Tensors on TensorFlow's devices. They are immutable, so several holders may share one. */
import type { Type } from '../../ir/types.ts'
import type { DeviceTensor } from '../backend.ts'
import type { Memory } from '../common/variable-store.ts'
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import { withErrors } from './errors.ts'
import { freeInSlices } from './free-in-slices.ts'

/** A handle with the number of its holders. The last holder frees it. */
export interface TfTensor {
  readonly handle: Pointer
  holders: number
}

export const held = (handle: Pointer): TfTensor => ({ handle, holders: 1 })

export const tensorflowMemory = (context: TensorflowContext): Memory<TfTensor> => ({
  device: context,
  upload: (data, type) => held(withErrors(null, () => context.upload(data, type))),
  download: async ({ handle }, type) => withErrors(null, () => context.download(handle, type)),
  free: (tensor) => release(tensor, context),
  freeAll: freeInSlices((tensor) => release(tensor, context)),
})

const release = (tensor: TfTensor, context: TensorflowContext): void => {
  if (--tensor.holders === 0) context.free(tensor.handle)
}

/** A device tensor for one holder of the handle. dispose() ends this hold. */
export const deviceTensor = (native: TfTensor, type: Type, context: TensorflowContext): DeviceTensor<TfTensor> => {
  let isDisposed = false
  return {
    type,
    device: context,
    native,
    read: async () => withErrors(null, () => context.download(native.handle, type)),
    share: () => {
      native.holders++
      return deviceTensor(native, type, context)
    },
    dispose: () => {
      if (!isDisposed) release(native, context)
      isDisposed = true
    },
  }
}
