/** One op on concrete operands, for op laws, gradient checks and the conformance suite. */
import type { Arbitrary } from './fast-check.ts'
import { Builder } from '../ir/build.ts'
import type { OpAttrs, OpName } from '../ir/signatures.ts'
import type { Graph, Type } from '../ir/types.ts'

export interface CaseInput {
  readonly type: Type
  /** Row-major; bool as 0 and 1. Representable in the dtype. */
  readonly data: readonly number[]
}

export interface OpCase<K extends OpName = OpName> {
  readonly op: K
  readonly inputs: readonly CaseInput[]
  readonly attrs: OpAttrs<K>
  /** False at kinks, ties and poles, where finite differences are meaningless. */
  readonly isSmooth: boolean
}

/** Random cases for each op of a group. Every draw is valid and shrinks towards small shapes. */
export type CaseTable<Ops> = { readonly [K in keyof Ops & OpName]: Arbitrary<OpCase<K>> }

/** Inputs x0, x1 …; outputs y0, y1 …. */
export const graphOfCase = (c: OpCase): Graph => {
  const b = new Builder(c.op)
  const inputs = c.inputs.map(({ type }, i) => b.input(`x${i}`, type))
  const results = b.emit(c.op, inputs, c.attrs)
  return b.finish(Object.fromEntries(results.map((value, i) => [`y${i}`, value])))
}

/** The operands by input name. */
export const feedsOfCase = (c: OpCase): { readonly [name: string]: readonly number[] } =>
  Object.fromEntries(c.inputs.map(({ data }, i) => [`x${i}`, data]))
