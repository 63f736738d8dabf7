/** Operands for programs that take many: a program binds eight buffers, its result among them. */
import type { Operand } from '../plan-types.ts'

export const operandsMax = 7

/** The operands in their order, as many at a time as a program takes. */
export const operandGroups = (operands: readonly Operand[]): readonly (readonly Operand[])[] =>
  Array.from({ length: Math.ceil(operands.length / operandsMax) }, (_, i) =>
    operands.slice(i * operandsMax, (i + 1) * operandsMax),
  )
