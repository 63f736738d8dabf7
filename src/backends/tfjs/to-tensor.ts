/** Results as tensors of the user's tfjs. */
import { EffuseError } from '../../ir/diagnostics.ts'
import { deviceLost } from '../common/device-lost.ts'
import { heldTensor } from '../common/held-tensors.ts'
import { isDevice, tfjsDtype } from './device.ts'
import type { DataId } from './tfjs-types.ts'

/** The type of a tf.Tensor without an import of tfjs; `toTensor<tf.Tensor4D>(result)` gives a more precise type. */
export interface TensorHandle {
  readonly dataId: object
  readonly shape: number[]
  readonly dtype: string
  data(): Promise<unknown>
  dispose(): void
}

/**
 * A tf.Tensor with a copy of a result's values, made on the result's tfjs backend: nothing leaves the device. The caller disposes of both.
 *
 * The tensor belongs to that tfjs backend: in Node no other one can take it over from WebGPU, so set it, tf.setBackend('webgpu'), where it is used.
 *
 * @throws EffuseError EF402 where the result is not of a tfjs backend, or was disposed of; EF410 where the device is lost.
 * @example
 * const onTfjs = await compile(model, { backend: 'tfjs' })
 * const { probabilities } = await onTfjs.run({ image })
 * const tensor = toTensor<tf.Tensor2D>(probabilities)
 */
export const toTensor = <T extends TensorHandle = TensorHandle>(result: object): T => {
  const held = heldTensor(result)
  if (held === null || !isDevice(held.device)) {
    throw new EffuseError({
      code: 'EF402',
      message: 'toTensor takes a result of a tfjs backend that was not disposed of',
      hint: 'for other results: tf.tensor(await result.data(), result.shape)',
    })
  }
  const { device } = held
  const lost = device.end.reason()
  if (lost !== null) throw deviceLost(`tfjs-${device.name}`, lost)
  // tfjs counts buffers by tensor, and shared ones wrongly: so it gets a copy.
  const { dtype, shape } = held.type
  const own = device.copy(held.native as DataId, shape, dtype) // what runs of this device give
  return device.tf
    .engine()
    .makeTensorFromTensorInfo({ dataId: own, shape: [...shape], dtype: tfjsDtype(dtype) }, device.backend) as T // tfjs's Tensor class
}
