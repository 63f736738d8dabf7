/**
 * A tensor of a file: name, dtype, shape and bytes, and the conversion of its numbers to host arrays.
 * Bytes are little endian and row-major. Typed arrays have the machine's byte order, which is little endian on every platform where Node 20 or a
 * browser with WebAssembly is supported.
 */
import { EffuseError, invariant } from '../ir/diagnostics.ts'
import { halfBits, halfFromBits, roundTo } from '../ir/rounding.ts'
import { grouped, quote, showTensor } from './message-text.ts'

/** Bytes of an element. */
export const itemBytes = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
} as const

/** Element types of files, including the dtypes of graphs. */
export type FileDType = keyof typeof itemBytes

export interface TensorEntry {
  readonly name: string
  readonly dtype: FileDType
  /** `[]` is a scalar; files may have dimensions of size 0. */
  readonly shape: readonly number[]
  /** Row-major, little endian. Often a view into the file, at any alignment: read it with toFloat32 or toInt32, never write to it. */
  readonly bytes: Uint8Array
}

/** The maximum rank of a tensor in a file, as in PyTorch. */
export const rankLimit = 64

/** The number of bytes of the shape; null above 2^53, where numbers are not exact. */
export const bytesOf = (dtype: FileDType, shape: readonly number[]): number | null => {
  let bytes: number = itemBytes[dtype]
  // A size of 0 makes the product 0. The other sizes are multiplied anyway, so that [2^52, 2^52, 0] is rejected.
  let isEmpty = false
  for (const size of shape) {
    if (size === 0) isEmpty = true
    else bytes *= size
    if (bytes > Number.MAX_SAFE_INTEGER) return null
  }
  return isEmpty ? 0 : bytes
}

/**
 * The numbers of a floating-point tensor, row-major, as a new array.
 * float32 is copied bit by bit, float16 and bfloat16 are exact in float32, and float64 is rounded to the nearest float32, ties to even, and to
 * infinity above the largest float32.
 *
 * @throws EffuseError EF505 if the tensor contains integers.
 */
export const toFloat32 = (entry: TensorEntry): Float32Array<ArrayBuffer> => {
  const { dtype, bytes } = entry
  const view = viewOf(bytes)
  const length = bytes.byteLength / itemBytes[dtype]
  switch (dtype) {
    case 'float32':
      return new Float32Array(copyOf(bytes))
    case 'float64':
      return new Float32Array(new Float64Array(copyOf(bytes)))
    case 'float16': {
      float16Values ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => halfFromBits('float16', bits))
      const out = new Float32Array(length)
      for (let i = 0; i < length; i++) out[i] = float16Values[view.getUint16(2 * i, true)] as number // of all 16 bits
      return out
    }
    case 'bfloat16': {
      // A bfloat16 is the upper half of a float32; moving bits keeps the payload of a NaN.
      const bits = new Uint32Array(length)
      for (let i = 0; i < length; i++) bits[i] = view.getUint16(2 * i, true) << 16
      return new Float32Array(bits.buffer)
    }
    default:
      throw new EffuseError({
        code: 'EF505',
        message: `expected floating-point numbers in tensor ${quote(entry.name)}, it is ${showTensor(dtype, entry.shape)}`,
        hint: 'is this the right file for this model? If so, convert the tensor to float32 before saving it',
      })
  }
}

/**
 * The numbers of an integer or boolean tensor, row-major, as a new array; true is 1.
 *
 * @throws EffuseError EF505 if the tensor contains floating-point numbers, or a number outside of int32.
 */
export const toInt32 = (entry: TensorEntry): Int32Array<ArrayBuffer> => {
  const { dtype, bytes } = entry
  const view = viewOf(bytes)
  const length = bytes.byteLength / itemBytes[dtype]
  const out = new Int32Array(length)
  const read = integerReaders[dtype]
  if (read === null)
    throw new EffuseError({
      code: 'EF505',
      message: `expected integers in tensor ${quote(entry.name)}, it is ${showTensor(dtype, entry.shape)}`,
      hint: 'is this the right file for this model?',
    })
  for (let i = 0; i < length; i++) {
    const value = read(view, i)
    if (value < -0x80000000 || value > 0x7fffffff)
      throw new EffuseError({
        code: 'EF505',
        message: `tensor ${quote(entry.name)} (${showTensor(dtype, entry.shape)}) holds ${value} at element ${grouped(i)}, which int32 cannot hold`,
        hint: 'effuse computes integers as int32: convert the tensor before saving it',
      })
    out[i] = Number(value)
  }
  return out
}

const integerReaders: { readonly [D in FileDType]: ((view: DataView, i: number) => number | bigint) | null } = {
  float64: null,
  float32: null,
  float16: null,
  bfloat16: null,
  int64: (view, i) => view.getBigInt64(8 * i, true),
  int32: (view, i) => view.getInt32(4 * i, true),
  int16: (view, i) => view.getInt16(2 * i, true),
  int8: (view, i) => view.getInt8(i),
  uint64: (view, i) => view.getBigUint64(8 * i, true),
  uint32: (view, i) => view.getUint32(4 * i, true),
  uint16: (view, i) => view.getUint16(2 * i, true),
  uint8: (view, i) => view.getUint8(i),
  bool: (view, i) => (view.getUint8(i) === 0 ? 0 : 1),
}

/**
 * Makes a tensor from numbers, which it copies. Floats are rounded to nearest, ties to even; for bool 0 is false and all other numbers are true.
 *
 * @throws EffuseError EF901 if the count or an int32 is wrong, because callers check the numbers of users.
 */
export const tensorEntry = (
  name: string,
  dtype: 'float32' | 'float16' | 'bfloat16' | 'int32' | 'bool',
  shape: readonly number[],
  values: ArrayLike<number>,
): TensorEntry => {
  const wanted = bytesOf(dtype, shape)
  invariant(
    wanted === values.length * itemBytes[dtype],
    () => `${values.length} values for ${showTensor(dtype, shape)} ${quote(name)}`,
  )
  const at = (i: number): number => values[i] as number // i < values.length
  const bytes = new Uint8Array(values.length * itemBytes[dtype])
  const view = viewOf(bytes)
  for (let i = 0; i < values.length; i++) {
    const value = at(i)
    switch (dtype) {
      case 'float32':
        view.setFloat32(4 * i, value, true)
        break
      case 'float16':
      case 'bfloat16':
        view.setUint16(2 * i, halfBits(dtype, roundTo(dtype, value)), true)
        break
      case 'int32':
        invariant(value === (value | 0), () => `${value} is not an int32, in ${quote(name)}`)
        view.setInt32(4 * i, value, true)
        break
      case 'bool':
        view.setUint8(i, value === 0 ? 0 : 1)
    }
  }
  return { name, dtype, shape: [...shape], bytes }
}

/** The number of each float16 by its bits; computed on first use. */
let float16Values: Float32Array | null = null

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Copies the bytes to a new buffer, where every typed array is aligned. */
const copyOf = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer
