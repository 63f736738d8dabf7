/** Which numbers a half type can hold, and how a literal becomes half. */
import { isFloat, type Graph, type Node } from '../../ir/types.ts'
import type { Edit } from '../../ir/edit.ts'
import { formats, roundTo } from '../../ir/rounding.ts'
import type { ConstantValue } from '../../ir/signatures.ts'
import { sideTables } from '../../ir/side-tables.ts'
import type { Value } from '../../ir/value.ts'
import type { Half } from './options.ts'

/**
 * Why a number must stay float32; null where half holds it, rounded. A literal is never clamped into range: beyond the largest number
 * (65504 in float16) it stays what it is, and so does one so small that it would become 0, which a divisor must not.
 */
export const literalFault = (dtype: Half, value: number): string | null => {
  if (!Number.isFinite(value) || value === 0) return null
  if (Math.abs(value) > formats[dtype].max) return `${value} is beyond ${formats[dtype].max}`
  return roundTo(dtype, value) === 0 ? `${value} would become 0` : null
}

/** Integers up to here are exact, the next one is not. */
const exactMax = (dtype: Half): number => 2 ** formats[dtype].precision

/** The numbers of a constant. */
const numbersOf = (graph: Graph, value: ConstantValue): ArrayLike<number> =>
  typeof value === 'number' ? [value] : 'sha256' in value ? sideTables(graph).constants.get(value.sha256).data : value

/** Why a source without operands, constant or iota, must stay float32, or null. Indices are never half unless they are exact in it. */
export const sourceFault = (graph: Graph, node: Node, dtype: Half): string | null => {
  if (node.op === 'iota')
    return isFloat(node.attrs.dtype) && (node.attrs.shape[node.attrs.axis] ?? 0) > exactMax(dtype) + 1
      ? `indices beyond ${exactMax(dtype)} are not exact`
      : null
  if (node.op !== 'constant') return null
  for (const value of Array.from(numbersOf(graph, node.attrs.value))) {
    const fault = literalFault(dtype, value)
    if (fault !== null) return fault
  }
  return null
}

/** The literal in half. Its numbers stay as they are, unrounded: float64 sees no half types. */
export const narrowedLiteral = (edit: Edit, node: Node<'constant'>, dtype: Half): Value => {
  const shape = node.types[0]?.shape ?? []
  const { value } = node.attrs
  const b = edit.emitter(node)
  return typeof value === 'object' && 'sha256' in value
    ? b.literal({ dtype, shape }, Float32Array.from(numbersOf(edit.base, value)))
    : b.emit1('constant', [], { value }, [{ dtype, shape }])
}
