import type { Kernel } from '../../../src/backends/codegen/kernel/kernel.ts'
import { elements, isFloat, type Type } from '../../../src/ir/types.ts'

/** Numbers with full mantissas, so that another order of a sum gives other bits. */
const numbersFor = ({ dtype, shape }: Type, seed: number): Float64Array =>
  Float64Array.from({ length: elements(shape) }, (_, i) => {
    const x = Math.sin(seed * 13.7 + i * 2.3)
    return isFloat(dtype) ? Math.fround(x) : dtype === 'bool' ? Number(x > 0) : Math.round(x * 5)
  })

/** The elements of each operand of a kernel, by buffer number. */
export const operandsFor = ({ buffers }: Kernel, seed: number): ReadonlyMap<number, Float64Array> =>
  new Map(
    buffers.flatMap((buffer, at) => (buffer.role === 'operand' ? [[at, numbersFor(buffer, seed + at)] as const] : [])),
  )
