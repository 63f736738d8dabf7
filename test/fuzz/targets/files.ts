/** The common part of file targets: checks of the resulting tensors. */
import { itemBytes, type TensorEntry, toFloat32, toInt32 } from '../../../src/io/tensor-entry.ts'
import { wrong } from '../target.ts'

/** Each tensor has the bytes of its shape, and its numbers are readable. */
export const checkTensors = (tensors: ReadonlyMap<string, TensorEntry>): void => {
  for (const [key, entry] of tensors) {
    const { name, dtype, shape, bytes } = entry
    const elements = shape.reduce((product, size) => product * size, 1)
    if (name !== key || bytes.length !== elements * itemBytes[dtype])
      wrong(`"${key}" is ${dtype}[${shape.join(',')}] and has ${bytes.length} bytes`)
    const numbers = /float/.test(dtype) ? toFloat32(entry) : isNarrow(dtype) ? toInt32(entry) : null
    if (numbers !== null && numbers.length !== elements) wrong(`"${key}" has ${numbers.length} numbers`)
  }
}

/** Larger integers may exceed int32, for which toInt32 throws an EffuseError. */
const isNarrow = (dtype: string): boolean => ['int8', 'int16', 'int32', 'uint8', 'uint16', 'bool'].includes(dtype)
