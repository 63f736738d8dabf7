/** Pieces of code that replace their operands on the stack by a result. */
import type { FunctionBody, ValueType } from './encoder.ts'
import type { Instruction } from './instructions.ts'

export type StackOp = (f: FunctionBody) => void

/** Instructions, one after another. */
export const plain =
  (...names: readonly Instruction[]): StackOp =>
  (f) =>
    f.op(...names)

export const chain =
  (...ops: readonly StackOp[]): StackOp =>
  (f) => {
    for (const op of ops) op(f)
  }

/** Moves operands from the stack to locals, the last one first. The name must differ from those of enclosing ops. */
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

/** With each of these constants an instruction on vectors of float32. */
export const withConstants =
  (...steps: readonly (readonly [value: number, ...names: readonly Instruction[]])[]): StackOp =>
  (f) => {
    for (const [value, ...names] of steps) {
      f.f32x4(value)
      f.op(...names)
    }
  }

/** Replaces the polynomial's variable, a local, by its value: coefficients of the highest power first. */
export const polynomial = (f: FunctionBody, variable: number, coefficients: readonly number[]): void => {
  coefficients.forEach((coefficient, i) => {
    if (i > 0) {
      f.get(variable)
      f.op('f32x4.mul')
    }
    f.f32x4(coefficient)
    if (i > 0) f.op('f32x4.add')
  })
}
