/** Shared parts of elementwise ops: type rules and the reference loop. */
import type { RefTensor } from '../../op-def.ts'
import { isFloat, sameShape, showType, type Type } from '../../types.ts'

/** C1: a float operand; the result has its type. */
export const floatUnary = ([x]: readonly [Type]): readonly [Type] | string =>
  isFloat(x.dtype) ? [x] : `C1: a float operand is needed, got ${showType(x)}`

/** C1: a numeric operand. */
export const numericUnary = ([x]: readonly [Type]): readonly [Type] | string =>
  x.dtype === 'bool' ? `C1: a numeric operand is needed, got ${showType(x)}` : [x]

/** C1: equal shapes. C2: equal dtypes. C3: numeric. */
export const numericBinary = ([a, b]: readonly [Type, Type]): readonly [Type] | string =>
  !sameShape(a.shape, b.shape)
    ? `C1: operand shapes differ: ${showType(a)} and ${showType(b)}`
    : a.dtype !== b.dtype
      ? `C2: operand dtypes differ: ${a.dtype} and ${b.dtype}`
      : a.dtype === 'bool'
        ? 'C3: numeric operands are needed, got bool'
        : [a]

export const mapUnary = (x: RefTensor, f: (x: number) => number): readonly [Float64Array] => [x.data.map((v) => f(v))]

export const mapBinary = (a: RefTensor, b: RefTensor, f: (a: number, b: number) => number): readonly [Float64Array] => {
  const out = new Float64Array(a.data.length)
  for (let i = 0; i < out.length; i++) out[i] = f(a.data[i] as number, b.data[i] as number)
  return [out]
}

/** The text of an example with one node. */
export const unaryExample = (op: string, type = 'float32[3]'): string =>
  `graph example {\n  %0 = input() {name="x"} : ${type}\n  %1 = ${op}(%0) : ${type}\n  return y = %1\n}`
export const binaryExample = (op: string, type = 'float32[3]', result = type, attrs = ''): string =>
  `graph example {\n  %0 = input() {name="a"} : ${type}\n  %1 = input() {name="b"} : ${type}\n  %2 = ${op}(%0, %1)${attrs} : ${result}\n  return y = %2\n}`

/** C1: a bool operand. */
export const boolUnary = ([x]: readonly [Type]): readonly [Type] | string =>
  x.dtype === 'bool' ? [x] : `C1: a bool operand is needed, got ${showType(x)}`

/** C1: equal shapes. C2: bool. */
export const boolBinary = ([a, b]: readonly [Type, Type]): readonly [Type] | string =>
  !sameShape(a.shape, b.shape)
    ? `C1: operand shapes differ: ${showType(a)} and ${showType(b)}`
    : a.dtype !== 'bool' || b.dtype !== 'bool'
      ? `C2: bool operands are needed, got ${a.dtype} and ${b.dtype}`
      : [a]

/** C1 to C3 of numericBinary, and C4: float. */
export const floatBinary = (operands: readonly [Type, Type]): readonly [Type] | string =>
  operands[0].dtype === 'int32' && operands[1].dtype === 'int32'
    ? 'C4: float operands are needed, got int32'
    : numericBinary(operands)
