/** Helpers for tests of single ops: results, result types or errors, and gradients. */
import { Builder } from '../../../src/ir/build.ts'
import { interpret, type Mode } from '../../../src/ir/interpret.ts'
import { opDef } from '../../../src/ir/ops/index.ts'
import { opVjp } from '../../../src/ir/ops/vjps.ts'
import type { OpAttrs, OpName } from '../../../src/ir/signatures.ts'
import type { DType, Type } from '../../../src/ir/types.ts'

/** Row-major. */
export interface Operand {
  readonly shape: readonly number[]
  readonly data: readonly number[]
  /** Default float32. */
  readonly dtype?: DType
}
export const tensor = (shape: readonly number[], data: readonly number[], dtype: DType = 'float32'): Operand => ({
  shape,
  data,
  dtype,
})
export const floats = (...shape: readonly number[]): Type => ({ dtype: 'float32', shape })

const typeOf = ({ shape, dtype = 'float32' }: Operand): Type => ({ dtype, shape })
const feedsOf = (operands: readonly Operand[], prefix: string): [string, readonly number[]][] =>
  operands.map(({ data }, i) => [`${prefix}${i}`, data])

/** The numbers of each output. */
export const runOp = <K extends OpName>(
  op: K,
  operands: readonly Operand[],
  attrs: OpAttrs<K>,
  mode: Mode = 'float64',
): readonly (readonly number[])[] => {
  const b = new Builder(op)
  const inputs = operands.map((x, i) => b.input(`x${i}`, typeOf(x)))
  const outputs = b.emit(op, inputs, attrs)
  const graph = b.finish(Object.fromEntries(outputs.map((y, i) => [`y${i}`, y])))
  const values = interpret(graph, { inputs: Object.fromEntries(feedsOf(operands, 'x')), mode }).outputs
  return outputs.map((_, i) => [...(values[`y${i}`]?.data ?? [])])
}

/** The result types, or the error message, which starts with the number of the constraint. */
export const inferOp = <K extends OpName>(op: K, types: readonly Type[], attrs: OpAttrs<K>): readonly Type[] | string =>
  opDef(op).infer(types, attrs, [])

/** The gradient of each operand for given gradients of the outputs; null where there is none. */
export const gradientsOf = <K extends OpName>(
  op: K,
  operands: readonly Operand[],
  attrs: OpAttrs<K>,
  outGrads: readonly (Operand | null)[],
): readonly (readonly number[] | null)[] => {
  const b = new Builder(op)
  const inputs = operands.map((x, i) => b.input(`x${i}`, typeOf(x)))
  const given = outGrads.map((g, i) => (g === null ? null : b.input(`g${i}`, typeOf(g))))
  const vjp = opVjp(op)
  if (typeof vjp !== 'function') throw new Error(`${op} has no gradient: ${vjp}`)
  const grads = vjp({ outGrads: given, inputs, outputs: b.emit(op, inputs, attrs), attrs, b })
  const graph = b.finish(Object.fromEntries(grads.flatMap((g, i) => (g === null ? [] : [[`d${i}`, g]]))))
  const gradFeeds = outGrads.flatMap((g, i): [string, readonly number[]][] => (g === null ? [] : [[`g${i}`, g.data]]))
  const feeds = Object.fromEntries([...feedsOf(operands, 'x'), ...gradFeeds])
  const values = interpret(graph, { inputs: feeds, mode: 'float64' }).outputs
  return grads.map((g, i) => (g === null ? null : [...(values[`d${i}`]?.data ?? [])]))
}

/** Do all numbers agree within `tolerance`, relative to numbers above 1? NaN agrees with NaN. */
export const isNear = (got: readonly number[], want: readonly number[], tolerance = 1e-12): boolean =>
  got.length === want.length &&
  got.every((x, i) => {
    const y = want[i] as number // of equal length
    return Object.is(x, y) || x === y || Math.abs(x - y) <= tolerance * Math.max(1, Math.abs(y))
  })
