/** Tensors as blocks of linear memory. A block is written once, by an upload or by a run, and then only read. So it may have several holders. */
import { invariant } from '../../ir/diagnostics.ts'
import { elements, showType, sizeBytes, type Type, isHalf } from '../../ir/types.ts'
import type { DeviceTensor, HostArray } from '../backend.ts'
import type { Memory } from '../common/variable-store.ts'
import { decodeHalf, encodeHalf } from './half-arrays.ts'
import type { WasmDevice } from './runtime/device.ts'
import type { Block } from './runtime/space.ts'

export const wasmMemory = (device: WasmDevice): Memory<Block> => ({
  device,
  upload: (data, type, name) => {
    const what = (): string => `${name === undefined ? 'a value' : `"${name}"`}, ${showType(type)}`
    const block = device.space.allocate(sizeBytes(type), what)
    uploadBytes(device, block.address, data, type)
    return block
  },
  download: (block, type) => download(device, block, type),
  free: (block) => device.space.release(block),
})

/** Adds a holder. */
export const hold = (block: Block): Block => {
  block.holders++
  return block
}

export const uploadBytes = ({ space }: WasmDevice, address: number, data: HostArray, type: Type): void => {
  invariant(data.length === elements(type.shape), () => `${data.length} numbers for ${showType(type)}`)
  const { buffer, byteOffset, byteLength } = isHalf(type.dtype) ? encodeHalf(type.dtype, data as Float32Array) : data // the host stores half types widened
  space.bytes.write(address, new Uint8Array(buffer, byteOffset, byteLength))
}

const download = async ({ space }: WasmDevice, { address }: Block, type: Type): Promise<HostArray> => {
  const { buffer } = await space.bytes.read(address, sizeBytes(type))
  if (isHalf(type.dtype)) return decodeHalf(type.dtype, new Uint16Array(buffer), new Float32Array(elements(type.shape)))
  if (type.dtype === 'bool') return new Uint8Array(buffer)
  return type.dtype === 'int32' ? new Int32Array(buffer) : new Float32Array(buffer)
}

/** Frees the block of a tensor that was never disposed of, some time after the last reference to the tensor is gone. */
const forgotten = new FinalizationRegistry<{ readonly device: WasmDevice; readonly block: Block }>(
  ({ device, block }) => device.space.release(block),
)

/** A tensor handle that takes over one holder's claim to a block. */
export const deviceTensor = (block: Block, type: Type, device: WasmDevice): DeviceTensor<Block> => {
  let isDisposed = false
  const tensor: DeviceTensor<Block> = {
    type,
    device,
    native: block,
    read: () => download(device, block, type),
    share: () => deviceTensor(hold(block), type, device),
    dispose: () => {
      if (isDisposed) return
      isDisposed = true
      forgotten.unregister(tensor)
      device.space.release(block)
    },
  }
  forgotten.register(tensor, { device, block }, tensor)
  return tensor
}
