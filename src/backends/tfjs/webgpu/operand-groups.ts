/** Splits the operands of programs with many: a program can bind eight buffers, including its result. */
import type { Operand } from '../plan-types.ts'

export const operandsMax = 7

/** The operands in their order, in groups of as many as a program can bind. */
export const operandGroups = (operands: readonly Operand[]): readonly (readonly Operand[])[] =>
  Array.from({ length: Math.ceil(operands.length / operandsMax) }, (_, i) =>
    operands.slice(i * operandsMax, (i + 1) * operandsMax),
  )
