/** Code fragments that replace their operands on the stack by a result. */
import type { FunctionBody, ValueType } from './encoder.ts'
import type { Instruction } from './instructions.ts'

export type StackOp = (f: FunctionBody) => void

/** A sequence of instructions. */
export const plain =
  (...names: readonly Instruction[]): StackOp =>
  (f) =>
    f.op(...names)

export const chain =
  (...ops: readonly StackOp[]): StackOp =>
  (f) => {
    for (const op of ops) op(f)
  }

/** Moves operands from the stack to locals, the last operand first. The name must differ from names in enclosing ops. */
export const popped = (f: FunctionBody, type: ValueType, name: string, count: number): readonly number[] => {
  const locals = Array.from({ length: count }, (_, at) => f.scratch(type, `${name} ${at}`))
  for (const local of [...locals].reverse()) f.set(local)
  return locals
}

/** Moves the operand from the stack to a local. */
export const popOne = (f: FunctionBody, type: ValueType, name: string): number => {
  const local = f.scratch(type, name)
  f.set(local)
  return local
}

/** The function with the sign of its operand, for functions that have it everywhere but lose it at -0. */
export const withSign =
  (of: StackOp): StackOp =>
  (f) => {
    const x = popOne(f, 'v128', 'signed x')
    f.get(x)
    of(f)
    f.get(x)
    f.i32x4(-(2 ** 31))
    f.op('v128.and', 'v128.or')
  }

/** Applies float32 vector instructions, each with a constant as second operand. */
export const withConstants =
  (...steps: readonly (readonly [value: number, ...names: readonly Instruction[]])[]): StackOp =>
  (f) => {
    for (const [value, ...names] of steps) {
      f.f32x4(value)
      f.op(...names)
    }
  }

/** Evaluates a polynomial in the variable, a local. The coefficient of the highest power comes first. */
export const polynomial = (f: FunctionBody, variable: number, coefficients: readonly number[]): void => {
  coefficients.forEach((coefficient, i) => {
    if (i === 0) {
      f.f32x4(coefficient)
      return
    }
    f.get(variable)
    f.multiplyAdd(() => f.f32x4(coefficient))
  })
}
