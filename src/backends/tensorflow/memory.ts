/** Tensors on TensorFlow's devices. They are immutable, so several holders may share one. */
import { elements, isHalf, type Type } from '../../ir/types.ts'
import { type DeviceTensor, type HostArray, hostArrayOf, type Numbers } from '../backend.ts'
import type { Memory } from '../common/variable-store.ts'
import type { Pointer } from './c-api.ts'
import type { TensorflowContext } from './context.ts'
import { withErrors } from './errors.ts'
import { freeInSlices } from './free-in-slices.ts'

/** A handle with the number of its holders. The last holder frees it. */
export interface TfTensor {
  readonly handle: Pointer
  /** The tensor's elements on the device are bytes. A run that is fed with it makes numbers of the feed's type from them. */
  readonly isBytes: boolean
  holders: number
}

export const held = (handle: Pointer, isBytes = false): TfTensor => ({ handle, isBytes, holders: 1 })

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
    read: async () =>
      withErrors(null, () =>
        native.isBytes ? readBytes(native, type, context) : context.download(native.handle, type),
      ),
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

const readBytes = ({ handle }: TfTensor, { dtype, shape }: Type, context: TensorflowContext): HostArray =>
  hostArrayOf(dtype, context.download(handle, { dtype: 'bool', shape }))

/** The fewest elements of a feed that is copied to the device at the call of run(). Smaller ones are copied twice, which takes less than 0.1 ms. */
const directLeast = 2 ** 16

/** Copies a large feed to the device, bytes as they are. Null for other feeds. Half types need rounding, which host arrays have. */
export const uploadFeed = (numbers: Numbers, type: Type, context: TensorflowContext): DeviceTensor<TfTensor> | null => {
  if (elements(type.shape) < directLeast) return null
  const isBytes = type.dtype !== 'bool' && (numbers instanceof Uint8Array || numbers instanceof Uint8ClampedArray)
  if (isHalf(type.dtype) && !isBytes) return null
  const handle = withErrors(null, () =>
    isBytes ? context.uploadBytes(numbers, type.shape) : context.upload(numbers, type),
  )
  return deviceTensor(held(handle, isBytes), type, context)
}
