/** What the targets of files have in common: the numbers of the tensors that came out. */
import { itemBytes, type TensorEntry, toFloat32, toInt32 } from '../../../src/io/tensor-entry.ts'
import { wrong } from '../target.ts'

/** Each tensor has the bytes of its shape, and its numbers can be read. */
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

/** Larger integers may be out of the range of int32, which toInt32 says with an EffuseError. */
const isNarrow = (dtype: string): boolean => ['int8', 'int16', 'int32', 'uint8', 'uint16', 'bool'].includes(dtype)
